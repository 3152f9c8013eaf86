-- Keys for the HTTP API, given out and revoked with python -m ops.api_keys. Kept is only each key's hash.

-- In the schema usm, which Supabase's own API does not serve.
create table usm.api_keys (
    key_id text primary key check (key_id ~ '^[a-z0-9]{12}$'),
    key_hash bytea not null check (octet_length(key_hash) = 32),
    role text not null check (role in ('admin', 'operator', 'tenant')),
    tenant_id text check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    label text not null check (char_length(label) <= 200),
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    -- A key is one tenant's, or it is of a role that sees all of them.
    check ((role = 'tenant') = (tenant_id is not null))
);
comment on table usm.api_keys is 'Who was given a key for the HTTP API, and what it opens. Never the key itself.';
comment on column usm.api_keys.key_id is 'The part of the key by which it is found; no secret.';
comment on column usm.api_keys.key_hash is 'SHA-256 of the whole key, which has 256 random bits: it cannot be guessed back.';
comment on column usm.api_keys.role is 'admin: everything; operator: reads everything; tenant: one tenant.';
comment on column usm.api_keys.tenant_id is 'Whose key it is; null for admin and operator.';
comment on column usm.api_keys.label is 'What people call it.';
comment on column usm.api_keys.created_at is 'When it was given out.';
comment on column usm.api_keys.expires_at is 'When it stops working by itself; null for never.';
comment on column usm.api_keys.revoked_at is 'When somebody took it back; null while it works.';

create index api_keys_by_tenant on usm.api_keys (tenant_id);

revoke all on table usm.api_keys from public, anon, authenticated, service_role, usm_tenant;
grant select, insert, update on table usm.api_keys to service_role;

alter table usm.api_keys enable row level security;
alter table usm.api_keys force row level security;

create policy service_acts on usm.api_keys to service_role using (true) with check (true);
comment on policy service_acts on usm.api_keys is 'For where service_role cannot be given BYPASSRLS; nobody else has any business here.';
