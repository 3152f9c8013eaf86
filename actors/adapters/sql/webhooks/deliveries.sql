-- What a webhook was told and is yet to be told, newest first, $3 at most; if $4 is not null of this status only, and if
-- $5 is not null from before the one that was put in $5 microseconds after 1970, with place $6 and name $7.
-- By webhook_deliveries_listed.
select message_id, seq, status, attempts - tried_before as attempts, answer, trouble,
       extract(epoch from created_at)::float8 as created_at,
       extract(epoch from settled_at)::float8 as settled_at,
       case when status = 'due' then extract(epoch from not_before)::float8 end as next_at
  from usm.webhook_deliveries
 where tenant_id = $1 and webhook_id = $2
   and ($4::text is null or status = $4)
   and ($5::bigint is null
        or (created_at, coalesce(seq, 0), message_id)
           < ('epoch'::timestamptz + $5 * interval '1 microsecond', $6::bigint, $7::text))
 order by created_at desc, coalesce(seq, 0) desc, message_id desc
 limit $3;
