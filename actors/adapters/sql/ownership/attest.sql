-- End life $2 of node $1, if that has not been done, and give its sessions free, as clean as they are; how many.
with ended as (
    update public.nodes
       set node_epoch = node_epoch + 1, is_over = true
     where node_id = $1 and node_epoch = $2
), freed as (
    update public.session_owners
       set owner_node = null, owner_node_epoch = null
     where owner_node = $1 and owner_node_epoch = $2
    returning true
)
select count(*) from freed;
