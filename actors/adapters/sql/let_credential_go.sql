-- The session $1, $2 has no credential from now on: what was its own is of status $3, because of $4; Telegram is told
-- after $5, or it is erased after $6. By primary key and telegram_credentials_current.
with gone as (
    update public.telegram_credentials
       set status = $3, reason = $4, status_since = now(), not_before = now() + $5::interval,
           erase_after = now() + $6::interval
     where tenant_id = $1 and app_id = $2 and status = 'current'
)
update public.telegram_sessions set credential_fingerprint = null where tenant_id = $1 and app_id = $2;
