-- Put the same secrets in place, sealed anew. By primary key.
update usm.webhooks set secret_sealed = $3, secret_key = $4, previous_sealed = $5, previous_key = $6
 where tenant_id = $1 and webhook_id = $2;
