-- Those of the sessions ($1[i], $2[i]) that have a credential. By the partial index of what is current.
select tenant_id, app_id
  from public.telegram_credentials
 where status = 'current'
   and (tenant_id, app_id) in (select * from unnest($1::text[], $2::text[]));
