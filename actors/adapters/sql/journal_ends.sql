-- The place of the newest line of each of the tenants $1 that has one. By session_journal_chain, a row for each.
select tenant_id, seq
  from unnest($1::text[]) as asked (tenant_id)
 cross join lateral (
    select line.seq from public.session_journal line
     where line.tenant_id = asked.tenant_id order by line.seq desc limit 1
 ) as newest;
