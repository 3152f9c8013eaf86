-- Note that life $2 of node $1 gives its sessions away; no row if that is over. By primary key.
update public.nodes
   set is_draining = true, hb = hb + 1
 where node_id = $1 and node_epoch = $2 and $2::bigint >> 40 = (select generation from public.cluster)
returning true;
