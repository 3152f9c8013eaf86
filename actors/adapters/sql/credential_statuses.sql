-- What the session $1, $2 has that is known by one of the fingerprints $3: at most one row. By primary key.
select fingerprint, status
  from public.telegram_credentials
 where tenant_id = $1 and app_id = $2 and fingerprint = any($3::text[]);
