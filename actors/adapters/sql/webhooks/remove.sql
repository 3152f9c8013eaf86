-- Forget a webhook, and with it what it was yet to be told. By primary key.
delete from usm.webhooks where tenant_id = $1 and webhook_id = $2 returning webhook_id;
