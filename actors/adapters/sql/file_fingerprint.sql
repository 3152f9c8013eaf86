-- How the file of the session $1, $2 in folder $3 was when it was last written with the session's credential; null if
-- it was written elsewhere since. By a unique index.
select case when file_place is not distinct from $3 then file_fingerprint end from public.telegram_credentials
 where tenant_id = $1 and app_id = $2 and status = 'current';
