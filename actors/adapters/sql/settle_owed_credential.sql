-- What the session $1, $2 owed is logged out, known by one of the fingerprints $3; it is erased after $4. By primary key.
update public.telegram_credentials
   set status = 'settled', status_since = now(), not_before = null, erase_after = now() + $4::interval
 where tenant_id = $1 and app_id = $2 and fingerprint = any($3::text[]) and status = 'owed';
