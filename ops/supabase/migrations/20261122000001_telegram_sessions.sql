-- Telegram sessions and their journal, with the wall between tenants. PostgreSQL 15 or newer, Supabase or plain.

-- 1. Who acts for one tenant, and which

do $$
begin
    -- A role belongs to the whole cluster, so another database of it may have brought it.
    if not exists (select from pg_roles where rolname = 'usm_tenant') then
        create role usm_tenant nologin noinherit nobypassrls;
        comment on role usm_tenant is 'What the service does on behalf of one tenant, named in request.jwt.claims.';
    end if;
end
$$;

create schema usm;
comment on schema usm is 'Functions of UnifiedSessionManager that are not part of its API.';
grant usage on schema usm to usm_tenant, authenticated, service_role;

create function usm.current_tenant() returns text
    language sql stable
    -- nullif: after a transaction with a local setting it is '' and no longer null.
    return nullif(current_setting('request.jwt.claims', true), '')::jsonb -> 'app_metadata' ->> 'tenant_id';
comment on function usm.current_tenant() is
    'The tenant of this transaction, from app_metadata of the claims (never user_metadata: users edit that); null if none.';
revoke all on function usm.current_tenant() from public, anon;
grant execute on function usm.current_tenant() to usm_tenant, authenticated, service_role;

-- 2. The sessions

create table public.telegram_sessions (
    tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    app_id text not null check (app_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    state text not null check (state in (
        'ABSENT', 'PENDING_QR', 'PENDING_CODE', 'PENDING_PASSWORD', 'AUTHORIZED', 'STALE', 'REVOKED'
    )),
    reason text,
    data jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
    telegram_user_id bigint check (telegram_user_id > 0),
    desired_state text not null default 'running' check (desired_state in ('running', 'stopped')),
    version bigint not null default 1 check (version > 0),
    state_since timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- tenant_id first: the policies filter by it.
    primary key (tenant_id, app_id)
);
comment on table public.telegram_sessions is 'One Telegram user session per tenant and app: what it is and should be.';
comment on column public.telegram_sessions.tenant_id is 'Whose session it is.';
comment on column public.telegram_sessions.app_id is 'Which of the tenant''s sessions it is.';
comment on column public.telegram_sessions.state is 'The state of the session''s state machine.';
comment on column public.telegram_sessions.reason is 'Why it is in that state, as a stable code.';
comment on column public.telegram_sessions.data is 'What else the state knows; never a secret.';
comment on column public.telegram_sessions.telegram_user_id is 'Whose account it is, as Telegram told us; null before login.';
comment on column public.telegram_sessions.desired_state is 'What people want: running, or stopped (also over restarts).';
comment on column public.telegram_sessions.version is 'Grows by one with every transition; writers compare it before they set.';
comment on column public.telegram_sessions.state_since is 'When it entered the state.';
comment on column public.telegram_sessions.created_at is 'When the row was made.';
comment on column public.telegram_sessions.updated_at is 'When the row was last written; kept by a trigger.';

create function usm.stamp_update() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    new.updated_at := pg_catalog.now();
    return new;
end
$$;
comment on function usm.stamp_update() is 'Trigger: sets updated_at.';
revoke all on function usm.stamp_update() from public, anon;

create trigger stamp_update before update on public.telegram_sessions
    for each row execute function usm.stamp_update();
comment on trigger stamp_update on public.telegram_sessions is 'Keeps updated_at true, whoever writes.';

-- 3. The journal

create table public.session_journal (
    tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    app_id text not null check (app_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    version bigint not null check (version > 0),
    at timestamptz not null default now(),
    message text not null,
    from_state text,
    to_state text not null,
    reason text,
    primary key (tenant_id, app_id, version)
);
comment on table public.session_journal is
    'Every transition of every session, written with it in one transaction. Append-only; outlives its session.';
comment on column public.session_journal.tenant_id is 'Whose session it was.';
comment on column public.session_journal.app_id is 'Which of the tenant''s sessions it was.';
comment on column public.session_journal.version is 'The version of the session''s row that this entry produced.';
comment on column public.session_journal.at is 'When.';
comment on column public.session_journal.message is 'The type of the message that caused the transition.';
comment on column public.session_journal.from_state is 'The state before; null for the first entry.';
comment on column public.session_journal.to_state is 'The state after.';
comment on column public.session_journal.reason is 'Why, as a stable code.';

create function usm.refuse_change() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    raise exception '% of % refused: it is append-only', tg_op, tg_table_name
        using errcode = 'restrict_violation', hint = 'Write a new entry that corrects the old one.';
end
$$;
comment on function usm.refuse_change() is 'Trigger: refuses the statement, even to the owner and to superusers.';
revoke all on function usm.refuse_change() from public, anon;

create trigger refuse_change before update or delete or truncate on public.session_journal
    for each statement execute function usm.refuse_change();
comment on trigger refuse_change on public.session_journal is 'Keeps the journal append-only.';
-- Also while session_replication_role is replica, which switches ordinary triggers off.
alter table public.session_journal enable always trigger refuse_change;

-- 4. The wall. Supabase may have granted everything on new tables, so revoke first.

revoke all on table public.telegram_sessions, public.session_journal
    from public, anon, authenticated, service_role, usm_tenant;
grant usage on schema public to usm_tenant, authenticated, service_role;
grant select, insert, update on table public.telegram_sessions to usm_tenant;
grant select, insert, update, delete on table public.telegram_sessions to service_role;
grant select, insert on table public.session_journal to usm_tenant, service_role;
grant select on table public.telegram_sessions, public.session_journal to authenticated;

alter table public.telegram_sessions enable row level security;
alter table public.telegram_sessions force row level security;
alter table public.session_journal enable row level security;
alter table public.session_journal force row level security;

-- (select ...) makes PostgreSQL ask once per statement instead of once per row.

create policy tenant_reads on public.telegram_sessions for select to usm_tenant, authenticated
    using (tenant_id = (select usm.current_tenant()));
comment on policy tenant_reads on public.telegram_sessions is 'A tenant sees its own sessions only.';
create policy tenant_adds on public.telegram_sessions for insert to usm_tenant
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_adds on public.telegram_sessions is 'A tenant adds sessions of its own only.';
create policy tenant_changes on public.telegram_sessions for update to usm_tenant
    using (tenant_id = (select usm.current_tenant()))
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_changes on public.telegram_sessions is 'A tenant changes its own sessions and keeps them.';
create policy service_acts on public.telegram_sessions to service_role using (true) with check (true);
comment on policy service_acts on public.telegram_sessions is 'For where service_role cannot be given BYPASSRLS.';

create policy tenant_reads on public.session_journal for select to usm_tenant, authenticated
    using (tenant_id = (select usm.current_tenant()));
comment on policy tenant_reads on public.session_journal is 'A tenant reads its own entries only.';
create policy tenant_adds on public.session_journal for insert to usm_tenant
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_adds on public.session_journal is 'A tenant adds entries of its own only.';
create policy service_acts on public.session_journal to service_role using (true) with check (true);
comment on policy service_acts on public.session_journal is 'For where service_role cannot be given BYPASSRLS.';
