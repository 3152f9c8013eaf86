-- The credential of the session $1, $2 with its data key, what the session's row knows of it, and the session's epoch
-- of ownership. By primary keys.
select s.credential_fingerprint, s.credential_version,
       c.fingerprint, c.version, c.epoch, c.sealed, c.key_id, k.wrapped, k.wrapped_by,
       coalesce(o.epoch, 0) as owned_at, o.owner_node is not null as is_owned
  from public.telegram_sessions s
  left join public.telegram_credentials c
    on c.tenant_id = s.tenant_id and c.app_id = s.app_id and c.status = 'current'
  left join public.session_owners o on o.tenant_id = s.tenant_id and o.app_id = s.app_id
  left join public.tenant_keys k on k.tenant_id = c.tenant_id and k.key_id = c.key_id
 where s.tenant_id = $1 and s.app_id = $2;
