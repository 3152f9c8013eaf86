-- Give session ($3, $4) at epoch $5 to life $2 of node $1, which renews, if its owner's life is over, or is that one
-- itself. Returns the new epoch, or no row. By primary keys.
with alive as (
    update public.nodes
       set hb = hb + 1
     where node_id = $1 and node_epoch = $2 and $2::bigint >> 40 = (select generation from public.cluster)
    returning node_id, node_epoch
)
update public.session_owners s
   set epoch = greatest(s.epoch, alive.node_epoch >> 40 << 40) + 1,
       owner_node = alive.node_id,
       owner_node_epoch = alive.node_epoch,
       is_clean = false
  from alive
 where s.tenant_id = $3 and s.app_id = $4 and s.epoch = $5 and s.owner_node is not null
   and (
       (s.owner_node, s.owner_node_epoch) = (alive.node_id, alive.node_epoch)
       or not exists (select from public.nodes n where n.node_id = s.owner_node and n.node_epoch = s.owner_node_epoch)
   )
returning s.epoch;
