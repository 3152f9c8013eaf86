-- What a webhook was told and is yet to be told, newest first, $3 at most.
select message_id, seq, status, attempts, answer, trouble,
       extract(epoch from created_at)::float8 as created_at,
       extract(epoch from settled_at)::float8 as settled_at,
       case when status = 'due' then extract(epoch from not_before)::float8 end as next_at
  from usm.webhook_deliveries
 where tenant_id = $1 and webhook_id = $2
 order by created_at desc, seq desc nulls last
 limit $3;
