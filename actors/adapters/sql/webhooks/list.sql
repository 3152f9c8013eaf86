-- A tenant's webhooks, oldest first. By primary key.
select * from usm.webhooks where tenant_id = $1 order by created_at, webhook_id;
