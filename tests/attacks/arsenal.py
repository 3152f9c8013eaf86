"""The statements of a hostile tenant, as templates over a table (see Table.words)."""

READS = {
    "everything": "select * from {table}",
    "by name": "select * from {table} where tenant_id = '{them}'",
    "by a condition that is always true": "select * from {table} where tenant_id = '{them}' or true",
    "counted": "select count(*) from {table} where tenant_id = '{them}' having count(*) > 0",
    "aggregated": "select string_agg(tenant_id, ',') from {table}",
    "by an error": "select * from {table} where tenant_id = '{them}' and 1 / (length(tenant_id) - 6) > 0",
    "lateral": "select b.* from (values (1)) v, lateral (select * from {table} where tenant_id = '{them}') b",
    "joined with itself": "select b.* from {table} a cross join {table} b",
    "united": "select * from {table} union all select * from {table} where tenant_id = '{them}'",
    "by a common table expression": "with stolen as materialized (select * from {table}) select * from stolen",
    "in a subquery": "select array(select tenant_id from {table})::text",
    "locked": "select * from {table} where tenant_id = '{them}' for update",
    "shared": "select * from {table} where tenant_id = '{them}' for key share",
    "by a view": "create temp view stolen as select * from {table}; select * from stolen",
    "by a view as the invoker": (
        "create temp view stolen with (security_invoker) as select * from {table}; select * from stolen"
    ),
    "by a function with its owner's rights": (
        "create function pg_temp.steal() returns setof {table} language sql security definer"
        " as 'select * from {table}'; select * from pg_temp.steal()"
    ),
    "by a table": "create temp table stolen as select * from {table}; select * from stolen",
    "by a cursor": "declare stolen cursor for select * from {table}; fetch all from stolen",
    "by a prepared statement": "prepare stolen as select * from {table}; execute stolen",
    "by a block": (
        "create temp table stolen (line text); do $$ begin insert into stolen select t::text from {table} t;end $$; "
        "select * from stolen"
    ),
    "with the policies off": "set local row_security = off; select * from {table}",
    "from the statistics": (
        "select most_common_vals::text, histogram_bounds::text from pg_stats"
        " where format('%I.%I', schemaname, tablename)::regclass = '{table}'::regclass"
    ),
    "from the raw statistics": (
        "select stavalues1::text from pg_statistic where starelid = '{table}'::regclass"
    ),
    "from what others are doing": "select query from pg_stat_activity where usesysid <> 0 and query like '%{them}%'"
    " and pid <> pg_backend_pid()",
}

WRITES = {
    "insert": "insert into {table} ({columns}) values ({their_row})",
    "insert returning": "insert into {table} ({columns}) values ({their_row}) returning *",
    "insert beside one's own": "insert into {table} ({columns}) values ({their_row}), ({our_row})",
    "insert from one's own": "insert into {table} ({columns}) select {moved} from {table} where tenant_id = '{us}'",
    "insert or nothing": (
        "insert into {table} ({columns}) values ({their_row}), ({a_strangers_row}) on conflict do nothing"
    ),
    "upsert": (
        "insert into {table} ({columns}) values ({their_row})"
        " on conflict ({key}) do update set tenant_id = '{them}' returning *"
    ),
    "upsert of one's own into theirs": (
        "insert into {table} ({columns}) select {columns} from {table} where tenant_id = '{us}'"
        " on conflict ({key}) do update set tenant_id = '{them}'"
    ),
    "move": "update {table} set tenant_id = '{them}'",
    "take": "update {table} set tenant_id = '{us}' where tenant_id = '{them}'",
    "touch": "update {table} set tenant_id = tenant_id where tenant_id = '{them}' returning *",
    "touch by a join": (
        "update {table} mine set tenant_id = other.tenant_id from {table} other where {same_key}"
        " and other.tenant_id = '{them}' returning mine.*"
    ),
    "delete": "delete from {table} where tenant_id = '{them}'",
    "delete returning": "delete from {table} where tenant_id = '{them}' returning *",
    "delete by a join": (
        "delete from {table} mine using {table} other where {same_key} and other.tenant_id = '{them}'"
    ),
    "delete in a common table expression": (
        "with gone as (delete from {table} where tenant_id = '{them}' returning *) select * from gone"
    ),
    "merge over": (
        "merge into {table} t using (values ('{them}')) v (tenant_id) on t.tenant_id = v.tenant_id"
        " when matched then update set tenant_id = '{us}'"
    ),
    "merge away": (
        "merge into {table} t using (values ('{them}')) v (tenant_id) on t.tenant_id = v.tenant_id"
        " when matched then delete"
    ),
    "merge in": (
        "merge into {table} t using (values (1)) v (n) on false"
        " when not matched then insert ({columns}) values ({their_row})"
    ),
    "truncate": "truncate {table} cascade",
}

ALTERATIONS = {
    "switch the wall off": "alter table {table} disable row level security",
    "exempt the owner": "alter table {table} no force row level security",
    "add a policy": "create policy all_of_it on {table} using (true)",
    "own it": "alter table {table} owner to current_user",
    "grant": "grant all on {table} to public",
    "add a trigger": "create trigger spy before insert on {table} for each row execute function usm.stamp_update()",
    "add a rule": "create rule spy as on insert to {table} do also notify spied",
    "drop": "drop table {table} cascade",
    "drop a column": "alter table {table} drop column tenant_id",
    "index": "create index on {table} (tenant_id)",
    "refer to it": "create table public.spy (tenant_id text references {table})",
    "inherit from it": "create temp table spy () inherits ({table})",
    "see through another's name": "alter table {table} rename to spied",
}
