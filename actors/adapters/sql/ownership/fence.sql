-- End life $4 of node $3 if it is still at heartbeat $5, on behalf of life $2 of node $1, which renews.
-- Returns whether. Both rows are locked in one order, so that two that fence each other do not wait for ever.
with locked as (
    select node_id from public.nodes where node_id in ($1, $3) order by node_id for update
), alive as (
    update public.nodes
       set hb = hb + 1
     where node_id = $1 and node_epoch = $2 and $2::bigint >> 40 = (select generation from public.cluster)
       and (select count(*) from locked) = 2
    returning node_id
), ended as (
    update public.nodes n
       set node_epoch = n.node_epoch + 1, is_over = true
      from alive
     where n.node_id = $3 and n.node_epoch = $4 and n.hb = $5
    returning true
)
select exists (table ended);
