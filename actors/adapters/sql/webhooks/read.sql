-- One webhook. By primary key.
select * from usm.webhooks where tenant_id = $1 and webhook_id = $2;
