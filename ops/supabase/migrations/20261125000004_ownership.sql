-- Which node owns which session: lives of nodes, and an epoch for each session. Only the service writes any of it.

-- 1. The nodes

create table public.cluster (
    is_only boolean primary key default true check (is_only),
    generation bigint not null default 0 check (generation between 0 and (1 << 22) - 1)
);
comment on table public.cluster is 'One row about all nodes together.';
comment on column public.cluster.is_only is 'Always true, so that there is one row.';
comment on column public.cluster.generation is
    'Bumped by hand after a restore from a backup, before any node starts: all numbers given out before are void.';
insert into public.cluster default values;

create table public.nodes (
    node_id text primary key check (node_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    node_epoch bigint not null check (node_epoch > 0),
    hb bigint not null default 0 check (hb >= 0),
    is_over boolean not null default false,
    is_draining boolean not null default false,
    boot_id text not null,
    public_key bytea not null
)
-- Heartbeats are updates in place.
with (fillfactor = 50);
comment on table public.nodes is 'The supervisors, each in its present life. No clock is kept: watchers time an unchanged hb.';
comment on column public.nodes.node_id is 'Which node.';
comment on column public.nodes.node_epoch is
    'Which life of it: generation << 40 | a counter. A number is given out once; older ones are fenced.';
comment on column public.nodes.hb is 'How often this life has renewed.';
comment on column public.nodes.is_over is 'Whether this number belongs to nobody: the life before it was fenced.';
comment on column public.nodes.is_draining is 'Whether it is giving its sessions away.';
comment on column public.nodes.boot_id is 'The boot of the machine that it runs on.';
comment on column public.nodes.public_key is 'For what is sealed to this life; empty if nothing is.';

-- 2. The owners. A table of its own: tenants write their sessions, and must not be able to write this.

create table public.session_owners (
    tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    app_id text not null check (app_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    epoch bigint not null check (epoch > 0),
    owner_node text,
    owner_node_epoch bigint,
    is_clean boolean not null,
    next_owner text,
    primary key (tenant_id, app_id),
    check ((owner_node is null) = (owner_node_epoch is null)),
    check (next_owner is null or owner_node is null)
) with (fillfactor = 80);
comment on table public.session_owners is 'Which life of which node may use a session''s auth key.';
comment on column public.session_owners.tenant_id is 'Whose session it is.';
comment on column public.session_owners.app_id is 'Which of the tenant''s sessions it is.';
comment on column public.session_owners.epoch is
    'generation << 40 | a counter, which grows with every owner; whoever holds an older one holds nothing.';
comment on column public.session_owners.owner_node is 'The node; null if the session is free.';
comment on column public.session_owners.owner_node_epoch is 'Its life; not the node''s present one if that was fenced.';
comment on column public.session_owners.is_clean is
    'Whether no socket but one of the owner''s own (with no owner: none) can be open at Telegram.';
comment on column public.session_owners.next_owner is 'The node that the last owner would like to follow it; binds nobody.';

-- For the sessions of a life that is over, and the free ones.
create index session_owners_by_owner on public.session_owners (owner_node, owner_node_epoch);

-- 3. The wall

revoke all on table public.cluster, public.nodes, public.session_owners
    from public, anon, authenticated, service_role, usm_tenant;
grant select, update on table public.cluster to service_role;
grant select, insert, update on table public.nodes, public.session_owners to service_role;
-- So that what is written for a tenant can depend on the epoch.
grant select on table public.session_owners to usm_tenant;

alter table public.cluster enable row level security;
alter table public.cluster force row level security;
alter table public.nodes enable row level security;
alter table public.nodes force row level security;
alter table public.session_owners enable row level security;
alter table public.session_owners force row level security;

create policy service_acts on public.cluster to service_role using (true) with check (true);
comment on policy service_acts on public.cluster is 'Only the service.';
create policy service_acts on public.nodes to service_role using (true) with check (true);
comment on policy service_acts on public.nodes is 'Only the service.';
create policy service_acts on public.session_owners to service_role using (true) with check (true);
comment on policy service_acts on public.session_owners is 'Only the service.';
create policy tenant_reads on public.session_owners for select to usm_tenant
    using (tenant_id = (select usm.current_tenant()));
comment on policy tenant_reads on public.session_owners is 'What is written for a tenant may depend on its epochs.';
