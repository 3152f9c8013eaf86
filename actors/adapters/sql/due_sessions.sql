-- The sleeping sessions, of all tenants, whose wake_at is at $1 (seconds since the epoch) or before; the earliest first.
-- By the partial index telegram_sessions_wake_at.
select tenant_id, app_id
  from public.telegram_sessions
 where data ? 'wake_at' and desired_state = 'running'
   and (data ->> 'wake_at')::float8 <= $1
 order by (data ->> 'wake_at')::float8
 limit 1000;
