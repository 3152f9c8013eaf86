-- One webhook, which nobody else changes until the end of this transaction. By primary key.
select * from usm.webhooks where tenant_id = $1 and webhook_id = $2 for update;
