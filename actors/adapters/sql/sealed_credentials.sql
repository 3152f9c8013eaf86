-- At most $5 sealed credentials, of all tenants, after the one of the session $2, $3 with the fingerprint $4; those only
-- that are not known by the keyring's key $1, unless that is null. By primary key: all of them are gone through.
select tenant_id, app_id, fingerprint, status
  from public.telegram_credentials
 where sealed is not null
   and ($1::text is null or split_part(fingerprint, ':', 1) <> $1)
   and (tenant_id, app_id, fingerprint) > ($2, $3, $4)
 order by tenant_id, app_id, fingerprint
 limit $5;
