-- Whether a session's row is exactly this; no row if there is none, or none in sight. By primary key.
select version = $3
   and state = $4
   and reason is not distinct from $5
   and data = $6
   and telegram_user_id is not distinct from $7
   and state_since = to_timestamp($8)
   and desired_state = $9
  from public.telegram_sessions
 where tenant_id = $1 and app_id = $2;
