-- Begin a new life of node $1. By primary key.
insert into public.nodes as n (node_id, node_epoch, boot_id, public_key)
select $1, (generation << 40) + 1, $2, $3
  from public.cluster
on conflict (node_id) do update
   set node_epoch = greatest(n.node_epoch + 1, excluded.node_epoch),
       hb = 0,
       is_over = false,
       is_draining = false,
       boot_id = excluded.boot_id,
       public_key = excluded.public_key
returning node_epoch;
