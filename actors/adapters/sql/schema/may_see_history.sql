-- Whether this login may read the history of migrations. No row: there is none.
select has_schema_privilege(current_user, n.oid, 'usage') and has_table_privilege(current_user, c.oid, 'select')
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'supabase_migrations' and c.relname = 'schema_migrations';
