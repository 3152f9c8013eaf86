-- Where tenants want to be told what happens to their sessions, and what each of them is yet to be told.

-- In the schema usm, which Supabase's own API does not serve.
create table usm.webhooks (
    tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    webhook_id text not null check (webhook_id ~ '^[a-z0-9]{12}$'),
    url text not null check (char_length(url) between 1 and 2048),
    status text not null default 'enabled' check (status in ('enabled', 'disabled', 'failed')),
    secret_sealed bytea not null,
    secret_key text not null,
    secret_number bigint not null default 1 check (secret_number > 0),
    previous_sealed bytea,
    previous_key text,
    previous_until timestamptz,
    -- `seq` of the tenant's journal: everything up to it is in the outbox, or was.
    position bigint not null check (position >= 0),
    failing_since timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, webhook_id),
    constraint previous_is_whole check (
        (previous_sealed is null) = (previous_key is null) and (previous_key is null) = (previous_until is null)
    )
);
comment on table usm.webhooks is 'The addresses at which tenants want to be told what happens to their sessions.';
comment on column usm.webhooks.tenant_id is 'Whose it is.';
comment on column usm.webhooks.webhook_id is 'Which of the tenant''s.';
comment on column usm.webhooks.url is 'Where to.';
comment on column usm.webhooks.status is 'enabled; disabled by its people; failed: given up after nothing arrived for long.';
comment on column usm.webhooks.secret_sealed is 'The secret that signs, under AES-256-GCM, bound to its place and number.';
comment on column usm.webhooks.secret_key is 'The name of the key in the keyring that seals the secret.';
comment on column usm.webhooks.secret_number is 'Which secret it is: grows by one with every rotation.';
comment on column usm.webhooks.previous_sealed is 'The secret before it, which signs too for a while; sealed likewise.';
comment on column usm.webhooks.previous_key is 'The name of the key in the keyring that seals the one before.';
comment on column usm.webhooks.previous_until is 'Until when the one before signs too.';
comment on column usm.webhooks.position is 'The place in the tenant''s journal up to which everything was put into the outbox.';
comment on column usm.webhooks.failing_since is 'Since when nothing has arrived; null while all is well.';
comment on column usm.webhooks.created_at is 'When the row was made.';
comment on column usm.webhooks.updated_at is 'When the row was last written; kept by a trigger.';

create trigger stamp_update before update on usm.webhooks
    for each row execute function usm.stamp_update();
comment on trigger stamp_update on usm.webhooks is 'Keeps updated_at true, whoever writes.';

create table usm.webhook_deliveries (
    tenant_id text not null,
    webhook_id text not null,
    message_id text not null check (char_length(message_id) between 1 and 128),
    seq bigint check (seq > 0),
    app_id text,
    status text not null default 'due' check (status in ('due', 'delivered', 'dead')),
    attempts bigint not null default 0 check (attempts >= 0),
    not_before timestamptz not null default now(),
    leased_until timestamptz not null default '-infinity',
    answer integer,
    trouble text,
    created_at timestamptz not null default now(),
    settled_at timestamptz,
    primary key (tenant_id, webhook_id, message_id),
    foreign key (tenant_id, webhook_id) references usm.webhooks on delete cascade
);
comment on table usm.webhook_deliveries is 'The outbox: what each webhook is yet to be told, and for some days what it was told.';
comment on column usm.webhook_deliveries.tenant_id is 'Whose webhook.';
comment on column usm.webhook_deliveries.webhook_id is 'Which webhook.';
comment on column usm.webhook_deliveries.message_id is 'The webhook-id that it is sent with, the same at every try.';
comment on column usm.webhook_deliveries.seq is 'Which line of the tenant''s journal; null for a test.';
comment on column usm.webhook_deliveries.app_id is 'Of which session; its later ones wait for a while.';
comment on column usm.webhook_deliveries.status is 'due; delivered; dead: given up.';
comment on column usm.webhook_deliveries.attempts is 'How often it was tried. Who settles it must know the number, so nobody settles another''s try.';
comment on column usm.webhook_deliveries.not_before is 'When it is to be tried next.';
comment on column usm.webhook_deliveries.leased_until is 'Until when a node is trying.';
comment on column usm.webhook_deliveries.answer is 'The HTTP status of the last try, if there was one.';
comment on column usm.webhook_deliveries.trouble is 'What was wrong at the last try, as a stable code.';
comment on column usm.webhook_deliveries.created_at is 'When it was put in.';
comment on column usm.webhook_deliveries.settled_at is 'When it was delivered or given up.';

create index webhook_deliveries_due on usm.webhook_deliveries (not_before) where status = 'due';
create index webhook_deliveries_in_order on usm.webhook_deliveries (tenant_id, webhook_id, app_id, seq) where status = 'due';
create index webhook_deliveries_settled on usm.webhook_deliveries (settled_at) where status <> 'due';

revoke all on table usm.webhooks, usm.webhook_deliveries from public, anon, authenticated, service_role, usm_tenant;
grant select, insert, update, delete on table usm.webhooks to usm_tenant, service_role;
grant select, insert on table usm.webhook_deliveries to usm_tenant;
grant select, insert, update, delete on table usm.webhook_deliveries to service_role;

alter table usm.webhooks enable row level security;
alter table usm.webhooks force row level security;
alter table usm.webhook_deliveries enable row level security;
alter table usm.webhook_deliveries force row level security;

create policy tenant_acts on usm.webhooks to usm_tenant
    using (tenant_id = (select usm.current_tenant()))
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_acts on usm.webhooks is 'A tenant sees and changes its own webhooks only.';
create policy service_acts on usm.webhooks to service_role using (true) with check (true);
comment on policy service_acts on usm.webhooks is 'For where service_role cannot be given BYPASSRLS.';

create policy tenant_reads on usm.webhook_deliveries for select to usm_tenant
    using (tenant_id = (select usm.current_tenant()));
comment on policy tenant_reads on usm.webhook_deliveries is 'A tenant sees what its own webhooks were told.';
create policy tenant_adds on usm.webhook_deliveries for insert to usm_tenant
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_adds on usm.webhook_deliveries is 'A tenant may have its own webhooks tested.';
create policy service_acts on usm.webhook_deliveries to service_role using (true) with check (true);
comment on policy service_acts on usm.webhook_deliveries is 'For where service_role cannot be given BYPASSRLS.';
