-- What tenants have of their own at Telegram: an app, a name among people's devices, a proxy.

create table public.tenant_apps (
    tenant_id text primary key check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    api_id bigint check (api_id between 1 and 2147483647),
    api_hash_sealed bytea,
    api_hash_key text,
    proxy_sealed bytea,
    proxy_key text,
    device_model text check (char_length(device_model) between 1 and 64),
    system_version text check (char_length(system_version) between 1 and 64),
    app_version text check (char_length(app_version) between 1 and 64),
    version bigint not null default 1 check (version > 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint app_is_whole check (
        (api_id is null) = (api_hash_sealed is null) and (api_hash_sealed is null) = (api_hash_key is null)
    ),
    constraint proxy_is_whole check ((proxy_sealed is null) = (proxy_key is null))
);
comment on table public.tenant_apps is 'What a tenant has of its own at Telegram; what it has not, the service''s is used.';
comment on column public.tenant_apps.tenant_id is 'Whose it is.';
comment on column public.tenant_apps.api_id is 'The tenant''s app at Telegram, for logins from now on; null: the service''s.';
comment on column public.tenant_apps.api_hash_sealed is
    'The app''s api_hash under AES-256-GCM, bound to environment, tenant, column and key.';
comment on column public.tenant_apps.api_hash_key is 'The name of the key in the keyring that seals api_hash.';
comment on column public.tenant_apps.proxy_sealed is 'The URL of the tenant''s proxy, its login in it; sealed likewise.';
comment on column public.tenant_apps.proxy_key is 'The name of the key in the keyring that seals the proxy.';
comment on column public.tenant_apps.device_model is 'What account holders read in Telegram''s Devices; null: the service''s.';
comment on column public.tenant_apps.system_version is 'The system that stands there; null: the service''s.';
comment on column public.tenant_apps.app_version is 'The version that stands there; null: the service''s.';
comment on column public.tenant_apps.version is 'Grows by one with every write.';
comment on column public.tenant_apps.created_at is 'When the row was made.';
comment on column public.tenant_apps.updated_at is 'When the row was last written; kept by a trigger.';

create trigger stamp_update before update on public.tenant_apps
    for each row execute function usm.stamp_update();
comment on trigger stamp_update on public.tenant_apps is 'Keeps updated_at true, whoever writes.';

-- The wall. Nobody's user has any business here: the rows are the service's, and secrets are sealed in them.

revoke all on table public.tenant_apps from public, anon, authenticated, service_role, usm_tenant;
grant select on table public.tenant_apps to usm_tenant;
grant select, insert, update, delete on table public.tenant_apps to service_role;

alter table public.tenant_apps enable row level security;
alter table public.tenant_apps force row level security;

create policy tenant_reads on public.tenant_apps for select to usm_tenant
    using (tenant_id = (select usm.current_tenant()));
comment on policy tenant_reads on public.tenant_apps is 'What connects a tenant''s sessions sees that tenant''s row only.';
create policy service_acts on public.tenant_apps to service_role using (true) with check (true);
comment on policy service_acts on public.tenant_apps is 'For where service_role cannot be given BYPASSRLS.';
