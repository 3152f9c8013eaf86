-- Put a test into the outbox of an existing webhook. By primary key.
insert into usm.webhook_deliveries (tenant_id, webhook_id, message_id)
select tenant_id, webhook_id, $3 from usm.webhooks where tenant_id = $1 and webhook_id = $2
returning message_id;
