-- Renew life $2 of node $1, and note whether its session ($3, $4) at epoch $5 is clean. Returns whether the life goes on,
-- and whether the session is its own. One statement, so that a taker comes either before both or after both.
with alive as (
    update public.nodes
       set hb = hb + 1
     where node_id = $1 and node_epoch = $2 and $2::bigint >> 40 = (select generation from public.cluster)
    returning node_id, node_epoch
), ours as (
    update public.session_owners s
       set is_clean = $6
      from alive
     where s.tenant_id = $3 and s.app_id = $4 and s.epoch = $5
       and s.owner_node = alive.node_id and s.owner_node_epoch = alive.node_epoch
    returning true
)
select exists (table alive) as is_alive, exists (table ours) as is_ours;
