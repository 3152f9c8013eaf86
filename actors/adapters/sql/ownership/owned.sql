-- The sessions of life $2 of node $1, and at which epochs. By the index on owners.
select tenant_id, app_id, epoch
  from public.session_owners
 where owner_node = $1 and owner_node_epoch = $2;
