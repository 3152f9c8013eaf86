-- At most $1 keys, of all tenants, that Telegram has to be told to log out, and whose time has come. Nobody else gets
-- them for a while, $2, in which whoever claimed them tells; longer the more often that came to nothing, for some can
-- never be opened. By telegram_credentials_owed.
with due as (
    select tenant_id, app_id, fingerprint
      from public.telegram_credentials
     where status = 'owed' and not_before <= now()
     order by not_before
     limit $1
       for update skip locked
), claimed as (
    update public.telegram_credentials c
       set not_before = now() + $2::interval * least(attempts + 1, 30), attempts = attempts + 1
      from due
     where c.tenant_id = due.tenant_id and c.app_id = due.app_id and c.fingerprint = due.fingerprint
    returning c.tenant_id, c.app_id, c.fingerprint, c.version, c.epoch, c.sealed, c.key_id, c.attempts
)
select claimed.*, k.wrapped, k.wrapped_by
  from claimed join public.tenant_keys k using (tenant_id, key_id)
 order by tenant_id, app_id, fingerprint;
