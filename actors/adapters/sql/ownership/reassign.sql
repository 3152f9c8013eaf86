-- Give at most $5 sessions of life $4 of node $3, which must be over, to life $2 of node $1, which renews.
-- Whoever else does the same takes others. By the index on owners.
with alive as (
    update public.nodes
       set hb = hb + 1
     where node_id = $1 and node_epoch = $2 and $2::bigint >> 40 = (select generation from public.cluster)
    returning node_id, node_epoch
), due as (
    select s.tenant_id, s.app_id
      from public.session_owners s
     where s.owner_node = $3 and s.owner_node_epoch = $4
       and not exists (select from public.nodes where node_id = $3 and node_epoch = $4)
     limit $5
       for update skip locked
)
update public.session_owners s
   set epoch = greatest(s.epoch, alive.node_epoch >> 40 << 40) + 1,
       owner_node = alive.node_id,
       owner_node_epoch = alive.node_epoch,
       is_clean = false
  from due, alive
 where s.tenant_id = due.tenant_id and s.app_id = due.app_id
returning s.tenant_id, s.app_id, s.epoch;
