-- A delivery can be sent anew: it is due again, and its tries are counted from the beginning.

alter table usm.webhook_deliveries
    add column tried_before bigint not null default 0 check (tried_before between 0 and attempts);
comment on column usm.webhook_deliveries.tried_before is
    'Of the attempts, those from before it was last resent. So attempts only grow, and a late try settles nothing.';

-- Lists are read from the newest back, a page at a time.
create index webhook_deliveries_listed
    on usm.webhook_deliveries (tenant_id, webhook_id, created_at, (coalesce(seq, 0)), message_id);

-- Of what was told a tenant may change only that it is told anew.
grant update (status, tried_before, not_before, settled_at, answer, trouble) on usm.webhook_deliveries to usm_tenant;
create policy tenant_resends on usm.webhook_deliveries for update to usm_tenant
    using (tenant_id = (select usm.current_tenant()))
    with check (tenant_id = (select usm.current_tenant()));
comment on policy tenant_resends on usm.webhook_deliveries is 'A tenant may have its own webhooks told again.';
