-- The tenants whose secrets are sealed with another key than $1. Sequential scan: once per change of keys.
select tenant_id from public.tenant_apps where api_hash_key <> $1 or proxy_key <> $1 order by tenant_id;
