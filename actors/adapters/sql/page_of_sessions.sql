-- At most $4 sessions after ($2, $3), in the order of their names: of tenant $1, or of all tenants if that is null.
-- By primary key.
select tenant_id, app_id, state, reason, data, telegram_user_id, version, desired_state,
       extract(epoch from state_since)::float8 as since
  from public.telegram_sessions
 where ($1::text is null or tenant_id = $1) and (tenant_id, app_id) > ($2, $3)
 order by tenant_id, app_id
 limit $4;
