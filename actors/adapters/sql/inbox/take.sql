-- Give life $2 of node $1 at most $3 of the requests that are addressed to it, asks before waits; none if this life is
-- over. Whoever comes second passes by what is locked. By inbox_queued and primary keys.
with due as materialized (
    select i.id
      from usm.inbox i
      join public.nodes me on me.node_id = $1 and me.node_epoch = $2 and not me.is_over
     where i.to_node = $1 and i.state = 'queued' and i.expires_at > now()
     order by i.kind = 'wait', i.posted_at
     limit $3
       for update of i skip locked
)
update usm.inbox i
   set state = 'started', started_by = $1, started_number = $2, started_at = now()
  from due
 where i.id = due.id
returning i.id, i.tenant_id, i.app_id, i.from_node, i.kind, i.payload, i.payload_sealed_by,
          extract(epoch from i.expires_at - now())::float8 as left;
