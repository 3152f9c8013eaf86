-- The migrations that were applied.
select version, name from supabase_migrations.schema_migrations;
