-- Write what a tenant has of its own over whatever it had, and return the new version. By primary key.
insert into public.tenant_apps as app
    (tenant_id, api_id, api_hash_sealed, api_hash_key, proxy_sealed, proxy_key, device_model, system_version,
     app_version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (tenant_id) do update
   set api_id = excluded.api_id, api_hash_sealed = excluded.api_hash_sealed, api_hash_key = excluded.api_hash_key,
       proxy_sealed = excluded.proxy_sealed, proxy_key = excluded.proxy_key, device_model = excluded.device_model,
       system_version = excluded.system_version, app_version = excluded.app_version, version = app.version + 1
returning version;
