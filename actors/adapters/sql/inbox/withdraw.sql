-- Withdraw those of these requests that nobody has taken, and whose addressee is gone. By primary keys.
delete from usm.inbox i
 where i.id = any($1) and i.state = 'queued'
   and not exists (select from public.nodes n where n.node_id = i.to_node and not n.is_over)
returning id;
