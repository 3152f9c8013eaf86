-- A new webhook $2 of tenant $1, told of what happens from now on; no row if the tenant has $6 of them already.
-- The count is true under the lock of lock.sql only.
insert into usm.webhooks (tenant_id, webhook_id, url, secret_sealed, secret_key, apps, states, position)
select $1, $2, $3, $4, $5, $7, $8,
       coalesce((select seq from public.session_journal where tenant_id = $1 order by seq desc limit 1), 0)
 where (select count(*) from usm.webhooks where tenant_id = $1) < $6
returning *;
