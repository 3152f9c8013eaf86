-- The sessions, of all tenants, that have something to do by themselves and that nobody has stopped.
-- A STALE one is tried again unless it waits for a person; one that sleeps is woken when it is due.
-- Sequential scan: once per start of the process.
select tenant_id, app_id
  from public.telegram_sessions
 where desired_state = 'running'
   and case state
           when 'AUTHORIZED' then not data ? 'wake_at'
           when 'STALE' then
               data ? 'retry_at' or coalesce(reason, '') not in ('credential_missing', 'account_mismatch')
           else state not in ('ABSENT', 'REVOKED')
       end
 order by tenant_id, app_id;
