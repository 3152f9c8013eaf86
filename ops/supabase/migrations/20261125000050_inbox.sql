-- What nodes ask of each other: a request for whoever owns a session, and its answer.

-- Not in public: nothing but the service has business here. It holds nothing for long; see usm.inbox.expires_at.
create table usm.inbox (
    id uuid primary key,
    tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    app_id text not null check (app_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    from_node text not null,
    to_node text not null,
    kind text not null check (kind in ('ask', 'look', 'wait')),
    payload bytea not null,
    payload_sealed_by text not null,
    state text not null default 'queued' check (state in ('queued', 'started', 'answered')),
    started_by text,
    started_number bigint,
    answer bytea,
    answer_sealed_by text,
    posted_at timestamptz not null default now(),
    started_at timestamptz,
    answered_at timestamptz,
    expires_at timestamptz not null,
    check ((state = 'queued') = (started_by is null)),
    check ((started_by is null) = (started_number is null)),
    check ((started_by is null) = (started_at is null)),
    check ((state = 'answered') = (answer is not null)),
    check ((answer is null) = (answer_sealed_by is null)),
    check ((answer is null) = (answered_at is null))
)
-- Rows live for milliseconds: what counts is how many came and went, not which part of the table that is.
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
comment on table usm.inbox is 'Requests of nodes to the node that owns a session, and their answers, all of it sealed.';
comment on column usm.inbox.id is 'Names the request; posted again it is the same one.';
comment on column usm.inbox.tenant_id is 'Whose session it is about.';
comment on column usm.inbox.app_id is 'Which of the tenant''s sessions it is about.';
comment on column usm.inbox.from_node is 'The node that asks.';
comment on column usm.inbox.to_node is 'The node that owns the session, or should, as far as the asker knew.';
comment on column usm.inbox.kind is 'ask: work on a command; look: show the state; wait: show the next one.';
comment on column usm.inbox.payload is 'What is asked, sealed for this row: codes and passwords are among it.';
comment on column usm.inbox.payload_sealed_by is 'The keyring''s key that seals it.';
comment on column usm.inbox.state is 'queued until exactly one life of a node takes it, then started, then answered.';
comment on column usm.inbox.started_by is 'The node that took it.';
comment on column usm.inbox.started_number is 'Which life of that node.';
comment on column usm.inbox.answer is 'What came of it, sealed for this row.';
comment on column usm.inbox.answer_sealed_by is 'The keyring''s key that seals it.';
comment on column usm.inbox.posted_at is 'When it was asked.';
comment on column usm.inbox.started_at is 'When it was taken.';
comment on column usm.inbox.answered_at is 'When it was answered.';
comment on column usm.inbox.expires_at is
    'When it is void, by this server''s clock alone: then nobody takes it, and a minute later it is removed.';

create index inbox_of_session on usm.inbox (tenant_id, app_id);
create index inbox_of_node on usm.inbox (to_node) where state <> 'answered';
create index inbox_queued on usm.inbox (to_node, posted_at) where state = 'queued';
create index inbox_expired on usm.inbox (expires_at);

revoke all on table usm.inbox from public, anon, authenticated, service_role, usm_tenant;
grant select, insert, update, delete on table usm.inbox to service_role;
alter table usm.inbox enable row level security;
alter table usm.inbox force row level security;
create policy service_acts on usm.inbox to service_role using (true) with check (true);
comment on policy service_acts on usm.inbox is 'Only the service.';
