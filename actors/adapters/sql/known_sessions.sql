-- The sessions, of all tenants, that have these names ($1 tenants and $2 apps, in pairs) or these accounts ($3).
-- Names by primary key; accounts by a sequential scan, once per five hundred files of an import.
select tenant_id, app_id, state, telegram_user_id
  from public.telegram_sessions
 where (tenant_id, app_id) in (select * from unnest($1::text[], $2::text[]))
    or telegram_user_id = any ($3::bigint[])
 order by tenant_id, app_id;
