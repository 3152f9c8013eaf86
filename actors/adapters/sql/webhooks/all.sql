-- Every webhook, by its name.
select tenant_id, webhook_id from usm.webhooks order by tenant_id, webhook_id;
