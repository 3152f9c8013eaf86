-- Leave request $1, void after $7 seconds, if fewer than $9 of its session and fewer than $10 of its addressee wait for
-- an answer; several at once may go over that by as many as they are. Returns whether there was room. Counts by
-- inbox_of_session and inbox_of_node, no further than it must.
with room as (
    select (
               select count(*) < $9
                 from (
                     select from usm.inbox
                      where tenant_id = $2 and app_id = $3 and state <> 'answered' and expires_at > now()
                      limit $9
                 ) of_session
           ) and (
               select count(*) < $10
                 from (
                     select from usm.inbox
                      where to_node = $5 and state <> 'answered' and expires_at > now()
                      limit $10
                 ) of_node
           ) as is_there
), posted as (
    insert into usm.inbox
        (id, tenant_id, app_id, from_node, to_node, kind, expires_at, payload, payload_sealed_by)
    select $1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7), $8, $11
      from room
     where is_there
    on conflict (id) do nothing
)
select is_there from room;
