-- At most $3 sessions, of all tenants, after $1, $2, that have a credential, or should. By primary key: all of them are
-- gone through.
select tenant_id, app_id
  from public.telegram_sessions s
 where (tenant_id, app_id) > ($1, $2)
   and (credential_fingerprint is not null
        or exists (select from public.telegram_credentials c
                    where c.tenant_id = s.tenant_id and c.app_id = s.app_id and c.status = 'current'))
 order by tenant_id, app_id
 limit $3;
