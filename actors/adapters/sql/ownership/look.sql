-- The owner of one session; no row if it never had one. By primary key.
select tenant_id, app_id, epoch, owner_node, owner_node_epoch, is_clean, next_owner
  from public.session_owners
 where tenant_id = $1 and app_id = $2;
