-- Webhooks whose secrets another key than $1 seals.
select tenant_id, webhook_id from usm.webhooks
 where secret_key <> $1 or previous_key <> $1 order by tenant_id, webhook_id;
