-- What one tenant has of its own at Telegram. By primary key.
select api_id, api_hash_sealed, api_hash_key, proxy_sealed, proxy_key, device_model, system_version, app_version,
       version
  from public.tenant_apps
 where tenant_id = $1;
