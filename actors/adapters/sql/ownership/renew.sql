-- Count a heartbeat of life $2 of node $1, which has $3 sessions; no row if that is over. By primary key.
update public.nodes
   set hb = hb + 1, load = $3
 where node_id = $1 and node_epoch = $2 and $2::bigint >> 40 = (select generation from public.cluster)
returning true;
