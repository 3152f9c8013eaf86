-- The session $1, $2's credential with the fingerprint $3 and its data key, if it is still there and not erased. By
-- primary keys.
select c.fingerprint, c.version, c.epoch, c.sealed, c.key_id, k.wrapped, k.wrapped_by
  from public.telegram_credentials c join public.tenant_keys k using (tenant_id, key_id)
 where c.tenant_id = $1 and c.app_id = $2 and c.fingerprint = $3 and c.sealed is not null;
