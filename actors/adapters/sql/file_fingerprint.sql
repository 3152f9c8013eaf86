-- How the file of the session $1, $2 was when it was last written with its credential. By a unique index.
select file_fingerprint from public.telegram_credentials
 where tenant_id = $1 and app_id = $2 and status = 'current';
