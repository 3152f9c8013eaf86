-- A tenant's lines after place $2 of its chain, $3 at most. By session_journal_chain.
-- A place is given under a lock that is held until the line is committed, so whoever sees one sees all before it.
select seq, tenant_id, app_id, version, extract(epoch from at)::float8 as at, message, from_state, to_state, reason
  from public.session_journal
 where tenant_id = $1 and seq > $2
 order by seq
 limit $3;
