-- The credential of the session $1, $2 that is known by one of the fingerprints $3, which cannot be opened any more:
-- sealed anew as fingerprint $4, version $5, epoch $8, under the data key $6: $7. By primary key.
update public.telegram_credentials
   set fingerprint = $4, version = $5, epoch = $8, key_id = $6, sealed = $7
 where tenant_id = $1 and app_id = $2 and fingerprint = any($3::text[]) and status = 'current';
