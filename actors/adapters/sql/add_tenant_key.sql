-- A data key for a tenant; another session of the tenant may have brought one meanwhile.
insert into public.tenant_keys (tenant_id, key_id, wrapped, wrapped_by) values ($1, $2, $3, $4) on conflict do nothing;
