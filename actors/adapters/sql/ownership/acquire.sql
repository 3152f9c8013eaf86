-- Give session ($3, $4), which is free at epoch $5 (0: never owned) and clean or not as $6 says, to life $2 of node $1,
-- which renews. Returns the new epoch, or no row. By primary keys.
with alive as (
    update public.nodes
       set hb = hb + 1
     where node_id = $1 and node_epoch = $2 and $2::bigint >> 40 = (select generation from public.cluster)
    returning node_id, node_epoch
), first as (
    insert into public.session_owners (tenant_id, app_id, epoch, owner_node, owner_node_epoch, is_clean)
    select $3, $4, (node_epoch >> 40 << 40) + 1, node_id, node_epoch, true
      from alive
     where $5::bigint = 0
    on conflict do nothing
    returning epoch
), next as (
    update public.session_owners s
       set epoch = greatest(s.epoch, node_epoch >> 40 << 40) + 1,
           owner_node = node_id,
           owner_node_epoch = node_epoch,
           next_owner = null
      from alive
     where s.tenant_id = $3 and s.app_id = $4 and s.epoch = $5 and s.owner_node is null and s.is_clean = $6
    returning s.epoch
)
select epoch from first union all select epoch from next;
