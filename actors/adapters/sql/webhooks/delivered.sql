-- Try $4 of a delivery arrived, with the answer $5. Nothing happens if another try has begun since.
with settled as (
    update usm.webhook_deliveries
       set status = 'delivered', settled_at = now(), leased_until = '-infinity', answer = $5, trouble = null
     where tenant_id = $1 and webhook_id = $2 and message_id = $3 and attempts = $4 and status = 'due'
    returning 1
)
update usm.webhooks set failing_since = null
 where tenant_id = $1 and webhook_id = $2 and failing_since is not null and exists (select from settled);
