-- Note that these sessions are clean, as far as they are still owned by life $2 of node $1 at these epochs.
update public.session_owners s
   set is_clean = true
  from unnest($3::text[], $4::text[], $5::bigint[]) as settled (tenant_id, app_id, epoch)
 where s.tenant_id = settled.tenant_id and s.app_id = settled.app_id and s.epoch = settled.epoch
   and s.owner_node = $1 and s.owner_node_epoch = $2;
