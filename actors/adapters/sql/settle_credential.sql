-- The last credential that the session $1, $2 was asked to give up is logged out; it is erased after $3.
-- By primary key: a session has few.
update public.telegram_credentials as owed
   set status = 'settled', status_since = now(), not_before = null, erase_after = now() + $3::interval
  from (
    select fingerprint
      from public.telegram_credentials
     where tenant_id = $1 and app_id = $2 and status = 'owed' and reason = 'requested'
     order by status_since desc
     limit 1
  ) as last
 where owed.tenant_id = $1 and owed.app_id = $2 and owed.fingerprint = last.fingerprint;
