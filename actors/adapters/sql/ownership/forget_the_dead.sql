-- Remove the nodes whose lives are over and that own nothing any more; how many. By the index on owners.
with gone as (
    delete from public.nodes n
     where n.is_over and not exists (select from public.session_owners s where s.owner_node = n.node_id)
    returning true
)
select count(*) from gone;
