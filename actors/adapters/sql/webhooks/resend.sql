-- Delivery $3 is due again at once, its tries counted anew, unless it is due already. Its status before; no row if there
-- is no such delivery. By primary key.
with kept as (
    select tenant_id, webhook_id, message_id, status
      from usm.webhook_deliveries
     where tenant_id = $1 and webhook_id = $2 and message_id = $3
       for update
), resent as (
    update usm.webhook_deliveries each
       set status = 'due', tried_before = attempts, not_before = now(), settled_at = null, answer = null, trouble = null
      from kept
     where each.tenant_id = kept.tenant_id and each.webhook_id = kept.webhook_id
       and each.message_id = kept.message_id and each.status <> 'due'
)
select status from kept;
