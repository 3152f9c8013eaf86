-- At most $3 sessions, of all tenants, that have a credential, after ($1, $2) in the order of their keys.
-- By the partial index of what is current.
select tenant_id, app_id
  from public.telegram_credentials
 where status = 'current' and (tenant_id, app_id) > ($1, $2)
 order by tenant_id, app_id
 limit $3;
