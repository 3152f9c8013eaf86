-- As take.sql, but of the requests for sessions of ours whose addressee is gone. By inbox_queued: what waits to be begun
-- is little, wherever it is addressed.
with due as materialized (
    select i.id
      from usm.inbox i
      join public.nodes me on me.node_id = $1 and me.node_epoch = $2 and not me.is_over
      join public.session_owners o
        on o.tenant_id = i.tenant_id and o.app_id = i.app_id and o.owner_node = $1 and o.owner_node_epoch = $2
     where i.to_node <> $1 and i.state = 'queued' and i.expires_at > now()
       and not exists (select from public.nodes n where n.node_id = i.to_node and not n.is_over)
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
