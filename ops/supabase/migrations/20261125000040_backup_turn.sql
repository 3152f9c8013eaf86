-- Whose turn it is to back sessions up: one node at a time.

-- A row with a time limit instead of an advisory lock: a run takes minutes, and a lock of a session would be lost or
-- left behind by poolers in transaction mode. Only this server's clock judges the limit.
create table usm.backup_turn (
    only_row boolean primary key default true check (only_row),
    holder text not null,
    held_until timestamptz not null
);
comment on table usm.backup_turn is 'The node that backs sessions up now; at most one row.';
comment on column usm.backup_turn.only_row is 'Always true, so that there is one row at most.';
comment on column usm.backup_turn.holder is 'The run that has the turn: a random name.';
comment on column usm.backup_turn.held_until is 'When the turn is free again unless it is renewed.';

revoke all on table usm.backup_turn from public, anon, authenticated, service_role, usm_tenant;
grant select, insert, update, delete on table usm.backup_turn to service_role;
alter table usm.backup_turn enable row level security;
alter table usm.backup_turn force row level security;
create policy service_acts on usm.backup_turn to service_role using (true) with check (true);
comment on policy service_acts on usm.backup_turn is 'Only the service itself takes turns.';
