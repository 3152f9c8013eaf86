-- A tenant's lines after place $2 of its chain, $3 at most, that are of the apps $4 and into the states $5 (null: all); of
-- the next $6 lines no others are looked at. Beside each line, or alone, how far was looked. By session_journal_chain.
-- A place is given under a lock that is held until the line is committed, so whoever sees one sees all before it.
with reached as (
    select coalesce(max(seq), $2) as seq
      from public.session_journal
     where tenant_id = $1 and seq > $2 and seq <= $2 + $6::bigint
)
select reached.seq as reached, line.*
  from reached
  left join lateral (
      select seq, tenant_id, app_id, version, extract(epoch from at)::float8 as at, message, from_state, to_state, reason
        from public.session_journal
       where tenant_id = $1 and seq > $2 and seq <= reached.seq
         and ($4::text[] is null or app_id = any ($4)) and ($5::text[] is null or to_state = any ($5))
       order by seq
       limit $3
  ) as line on true
 order by line.seq;
