-- Credentials, sealed by the service before they come here, and the data keys that seal them, themselves wrapped by a
-- keyring that never comes here. What this database holds opens nothing by itself.

-- 1. One data key per tenant

create table public.tenant_keys (
    tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    key_id bigint not null check (key_id > 0),
    wrapped bytea not null,
    wrapped_by text not null check (wrapped_by ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$'),
    created_at timestamptz not null default now(),
    -- tenant_id first: the policies filter by it.
    primary key (tenant_id, key_id)
);
comment on table public.tenant_keys is 'The data keys that seal a tenant''s credentials; the one with the highest id seals.';
comment on column public.tenant_keys.tenant_id is 'Whose credentials it seals.';
comment on column public.tenant_keys.key_id is 'Which of the tenant''s keys it is.';
comment on column public.tenant_keys.wrapped is 'The 32 bytes of the key, under AES-256-GCM.';
comment on column public.tenant_keys.wrapped_by is 'The name of the keyring''s key that wraps it.';
comment on column public.tenant_keys.created_at is 'When it was made.';

-- 2. The credentials

create table public.telegram_credentials (
    tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    app_id text not null check (app_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    fingerprint text not null check (fingerprint ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}:[0-9a-f]{64}$'),
    status text not null check (status in ('current', 'owed', 'settled', 'buried')),
    reason text,
    telegram_user_id bigint not null check (telegram_user_id > 0),
    epoch bigint not null default 0 check (epoch >= 0),
    version bigint not null check (version > 0),
    key_id bigint not null,
    sealed bytea,
    status_since timestamptz not null default now(),
    not_before timestamptz,
    attempts integer not null default 0 check (attempts >= 0),
    erase_after timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, app_id, fingerprint),
    foreign key (tenant_id, key_id) references public.tenant_keys,
    constraint what_is_needed_is_there check (status in ('settled', 'buried') or sealed is not null),
    constraint what_is_owed_has_its_time check ((status = 'owed') = (not_before is not null)),
    constraint what_is_over_is_erased check ((status in ('settled', 'buried')) = (erase_after is not null))
);
comment on table public.telegram_credentials is
    'Every auth key that was ever a session''s, sealed. Outlives its session: Telegram may still have to be told.';
comment on column public.telegram_credentials.tenant_id is 'Whose session it is, or was, for.';
comment on column public.telegram_credentials.app_id is 'Which of the tenant''s sessions.';
comment on column public.telegram_credentials.fingerprint is
    'By which the key is known: the name of a key of the keyring, and an HMAC-SHA256 of the auth key under it.';
comment on column public.telegram_credentials.status is
    'current: the session''s own; owed: Telegram has to be told to log it out; settled: it has been; buried: Telegram ended it.';
comment on column public.telegram_credentials.reason is 'Why it is owed or buried, as a stable code.';
comment on column public.telegram_credentials.telegram_user_id is 'Whose account it logs in.';
comment on column public.telegram_credentials.epoch is 'The ownership epoch in which it was sealed.';
comment on column public.telegram_credentials.version is
    'Grows every time it is sealed anew; the session''s row says which is the newest.';
comment on column public.telegram_credentials.key_id is 'The tenant''s data key that seals it.';
comment on column public.telegram_credentials.sealed is
    'The credential under AES-256-GCM, bound to environment, session, epoch, version and data key; null once erased.';
comment on column public.telegram_credentials.status_since is 'Since when it has its status.';
comment on column public.telegram_credentials.not_before is 'When to tell Telegram, at the earliest.';
comment on column public.telegram_credentials.attempts is 'How often somebody set out to tell Telegram.';
comment on column public.telegram_credentials.erase_after is 'When what is sealed is erased; the fingerprint stays.';
comment on column public.telegram_credentials.created_at is 'When it was first kept.';
comment on column public.telegram_credentials.updated_at is 'When the row was last written; kept by a trigger.';

create trigger stamp_update before update on public.telegram_credentials
    for each row execute function usm.stamp_update();
comment on trigger stamp_update on public.telegram_credentials is 'Keeps updated_at true, whoever writes.';

create unique index telegram_credentials_current on public.telegram_credentials (tenant_id, app_id)
    where status = 'current';
comment on index public.telegram_credentials_current is 'A session has one credential.';
create index telegram_credentials_owed on public.telegram_credentials (not_before) where status = 'owed';
comment on index public.telegram_credentials_owed is 'What Telegram has to be told next.';
create index telegram_credentials_erased on public.telegram_credentials (erase_after)
    where sealed is not null and erase_after is not null;
comment on index public.telegram_credentials_erased is 'What is to be erased next.';

-- 3. What the session's row knows of its credential, so that an older one put in its place is noticed

alter table public.telegram_sessions
    add column credential_fingerprint text,
    add column credential_version bigint not null default 0 check (credential_version >= 0);
comment on column public.telegram_sessions.credential_fingerprint is 'The fingerprint of the session''s credential; null if it has none.';
comment on column public.telegram_sessions.credential_version is 'How often a credential of the session was sealed; never falls.';

-- 4. The wall. Supabase may have granted everything on new tables, so revoke first. Nobody who signs in sees anything.

revoke all on table public.tenant_keys, public.telegram_credentials
    from public, anon, authenticated, service_role, usm_tenant;
grant select, insert on table public.tenant_keys to usm_tenant;
grant select, insert, update on table public.tenant_keys to service_role;
grant select, insert, update on table public.telegram_credentials to usm_tenant, service_role;

alter table public.tenant_keys enable row level security;
alter table public.tenant_keys force row level security;
alter table public.telegram_credentials enable row level security;
alter table public.telegram_credentials force row level security;

-- (select ...) makes PostgreSQL ask once per statement instead of once per row.

create policy tenant_reads on public.tenant_keys for select to usm_tenant
    using (tenant_id = (select usm.current_tenant()));
comment on policy tenant_reads on public.tenant_keys is 'A tenant sees its own keys only.';
create policy tenant_adds on public.tenant_keys for insert to usm_tenant
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_adds on public.tenant_keys is 'A tenant adds keys of its own only.';
create policy service_acts on public.tenant_keys to service_role using (true) with check (true);
comment on policy service_acts on public.tenant_keys is 'For where service_role cannot be given BYPASSRLS.';

create policy tenant_reads on public.telegram_credentials for select to usm_tenant
    using (tenant_id = (select usm.current_tenant()));
comment on policy tenant_reads on public.telegram_credentials is 'A tenant sees its own credentials only.';
create policy tenant_adds on public.telegram_credentials for insert to usm_tenant
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_adds on public.telegram_credentials is 'A tenant adds credentials of its own only.';
create policy tenant_changes on public.telegram_credentials for update to usm_tenant
    using (tenant_id = (select usm.current_tenant()))
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_changes on public.telegram_credentials is 'A tenant changes its own credentials and keeps them.';
create policy service_acts on public.telegram_credentials to service_role using (true) with check (true);
comment on policy service_acts on public.telegram_credentials is 'For where service_role cannot be given BYPASSRLS.';
