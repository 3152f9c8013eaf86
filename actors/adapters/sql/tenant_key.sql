-- The data key that seals for the tenant $1. By primary key, backwards.
select key_id, wrapped, wrapped_by from public.tenant_keys where tenant_id = $1 order by key_id desc limit 1;
