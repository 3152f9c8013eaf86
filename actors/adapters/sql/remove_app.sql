-- Remove what a tenant has of its own; no row if it had nothing. By primary key.
delete from public.tenant_apps where tenant_id = $1 returning version;
