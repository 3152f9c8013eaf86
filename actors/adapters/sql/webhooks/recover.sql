-- What died since the moment $3 is due again at once, its tries counted anew: $4 at most, those that died first. How many
-- that was. By webhook_deliveries_settled.
with dead as (
    select tenant_id, webhook_id, message_id
      from usm.webhook_deliveries
     where tenant_id = $1 and webhook_id = $2 and status = 'dead' and settled_at >= to_timestamp($3::float8)
     order by settled_at, seq
     limit $4
       for update
), resent as (
    update usm.webhook_deliveries each
       set status = 'due', tried_before = attempts, not_before = now(), settled_at = null, answer = null, trouble = null
      from dead
     where each.tenant_id = dead.tenant_id and each.webhook_id = dead.webhook_id and each.message_id = dead.message_id
    returning 1
)
select count(*) from resent;
