-- The tenants that have secrets of their own. Sequential scan: once per check of the seals.
select tenant_id from public.tenant_apps where api_hash_key is not null or proxy_key is not null order by tenant_id;
