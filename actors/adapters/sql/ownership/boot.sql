-- Begin a new life of node $1, for $4 sessions at most. By primary key.
insert into public.nodes as n (node_id, node_epoch, boot_id, public_key, capacity)
select $1, (generation << 40) + 1, $2, $3, $4
  from public.cluster
on conflict (node_id) do update
   set node_epoch = greatest(n.node_epoch + 1, excluded.node_epoch),
       hb = 0,
       is_over = false,
       is_draining = false,
       load = 0,
       capacity = excluded.capacity,
       boot_id = excluded.boot_id,
       public_key = excluded.public_key
returning node_epoch;
