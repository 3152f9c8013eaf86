-- The sessions, of all tenants, that have something to do by themselves and that nobody has stopped.
-- A STALE one is tried again unless it waits for a person; one that sleeps is woken when it is due.
-- None that a living node owns. Sequential scan, beside the owners.
select s.tenant_id, s.app_id
  from public.telegram_sessions s
 where desired_state = 'running'
   and case state
           when 'AUTHORIZED' then not data ? 'wake_at'
           when 'STALE' then
               data ? 'retry_at' or coalesce(reason, '') not in ('credential_missing', 'account_mismatch')
           else state not in ('ABSENT', 'REVOKED')
       end
   and not exists (
       select
         from public.session_owners o
         join public.nodes n on n.node_id = o.owner_node and n.node_epoch = o.owner_node_epoch
        where o.tenant_id = s.tenant_id and o.app_id = s.app_id
   )
 order by s.tenant_id, s.app_id;
