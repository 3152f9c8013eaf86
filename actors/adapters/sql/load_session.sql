-- The row of one session. By primary key.
select state, reason, data, telegram_user_id, version, desired_state, extract(epoch from state_since)::float8 as since
  from public.telegram_sessions
 where tenant_id = $1 and app_id = $2;
