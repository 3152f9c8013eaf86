-- Try $4 of a delivery came to nothing: trouble $6, answer $5. It is tried again in $7 seconds or, if that is null, given
-- up. The webhook is given up too at once if $8, or with the delivery if nothing has arrived for $9 seconds; whether it
-- has. Nothing happens if another try has begun since.
with missed as (
    update usm.webhook_deliveries
       set leased_until = '-infinity', answer = $5, trouble = $6,
           not_before = now() + make_interval(secs => coalesce($7::float8, 0)),
           status = case when $7::float8 is null then 'dead' else 'due' end,
           settled_at = case when $7::float8 is null then now() end
     where tenant_id = $1 and webhook_id = $2 and message_id = $3 and attempts = $4 and status = 'due'
    returning 1
)
update usm.webhooks
   set failing_since = coalesce(failing_since, now()),
       status = case
           when status = 'enabled' and ($8 or ($7::float8 is null and failing_since < now() - make_interval(secs => $9)))
           then 'failed' else status end
 where tenant_id = $1 and webhook_id = $2 and exists (select from missed)
returning status = 'failed' as given_up;
