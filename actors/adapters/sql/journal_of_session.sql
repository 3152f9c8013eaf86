-- A session's lines, newest first, from before version $3 (null: the newest), $4 at most. By primary key.
select seq, tenant_id, app_id, version, extract(epoch from at)::float8 as at, message, from_state, to_state, reason
  from public.session_journal
 where tenant_id = $1 and app_id = $2 and ($3::bigint is null or version < $3)
 order by version desc
 limit $4;
