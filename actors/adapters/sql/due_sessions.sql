-- The sleeping sessions, of all tenants, whose wake_at is at $1 (seconds since the epoch) or before; the earliest first.
-- None that a living node owns. By the partial index telegram_sessions_wake_at.
select s.tenant_id, s.app_id
  from public.telegram_sessions s
 where data ? 'wake_at' and desired_state = 'running'
   and (data ->> 'wake_at')::float8 <= $1
   and not exists (
       select
         from public.session_owners o
         join public.nodes n on n.node_id = o.owner_node and n.node_epoch = o.owner_node_epoch
        where o.tenant_id = s.tenant_id and o.app_id = s.app_id
   )
 order by (data ->> 'wake_at')::float8
 limit 1000;
