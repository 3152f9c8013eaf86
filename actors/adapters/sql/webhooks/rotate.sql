-- Sign with the secret $3, number $5, from now on, and for $6 seconds with the one before it too; no row if that is not
-- the next number. By primary key.
update usm.webhooks
   set previous_sealed = secret_sealed, previous_key = secret_key, previous_until = now() + make_interval(secs => $6),
       secret_sealed = $3, secret_key = $4, secret_number = $5
 where tenant_id = $1 and webhook_id = $2 and secret_number = $5 - 1
returning *;
