-- At most $1 sessions that are free, or whose owner's life is over. Every session is looked at, beside a few nodes.
select s.tenant_id, s.app_id, s.epoch, s.owner_node, s.owner_node_epoch, s.is_clean, s.next_owner
  from public.session_owners s
  left join public.nodes n on n.node_id = s.owner_node and n.node_epoch = s.owner_node_epoch
 where n.node_id is null
 order by s.tenant_id, s.app_id
 limit $1;
