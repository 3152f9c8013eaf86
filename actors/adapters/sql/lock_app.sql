-- Let nobody write what a tenant has of its own until the end of this transaction. By primary key.
select from public.tenant_apps where tenant_id = $1 for update;
