-- A webhook may be told of some apps and some states only.

alter table usm.webhooks
    add column apps text[] check (cardinality(apps) between 1 and 100),
    add column states text[] check (cardinality(states) between 1 and 100);
comment on column usm.webhooks.apps is 'Of which apps it is told; null: of all.';
comment on column usm.webhooks.states is 'Into which states what it is told of leads; null: into any.';
