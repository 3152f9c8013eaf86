-- Give session ($3, $4) free, which life $2 of node $1 owns at epoch $5; no row if it does not. By primary key.
update public.session_owners s
   set owner_node = null, owner_node_epoch = null, is_clean = $6, next_owner = $7
 where s.tenant_id = $3 and s.app_id = $4 and s.epoch = $5 and s.owner_node = $1 and s.owner_node_epoch = $2
   and exists (select from public.nodes where node_id = $1 and node_epoch = $2)
returning true;
