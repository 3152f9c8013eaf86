-- What the session $1, $2 owes, known by one of the fingerprints $3, is not claimed before $4. By primary key.
update public.telegram_credentials
   set not_before = to_timestamp($4)
 where tenant_id = $1 and app_id = $2 and fingerprint = any($3::text[]) and status = 'owed';
