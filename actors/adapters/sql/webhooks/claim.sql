-- At most $1 deliveries whose time has come, for $3 seconds nobody else's. Of one tenant no more than $2 are on their way
-- at a time. An earlier one of the same session goes first, unless it has failed $4 times: then it holds up nobody. What was
-- resent holds up only what was resent too.
-- By webhook_deliveries_due and webhook_deliveries_in_order.
with under_way as (
    select tenant_id, count(*) as number
      from usm.webhook_deliveries
     where status = 'due' and leased_until > now()
     group by tenant_id
), due as (
    select each.tenant_id, each.webhook_id, each.message_id,
           row_number() over (partition by each.tenant_id order by each.not_before, each.seq)
               + coalesce(under_way.number, 0) as place
      from usm.webhook_deliveries each
      join usm.webhooks hook using (tenant_id, webhook_id)
      left join under_way using (tenant_id)
     where each.status = 'due' and each.not_before <= now() and each.leased_until <= now()
       and hook.status = 'enabled'
       and not exists (
           select from usm.webhook_deliveries earlier
            where earlier.tenant_id = each.tenant_id and earlier.webhook_id = each.webhook_id
              and earlier.app_id = each.app_id and earlier.seq < each.seq
              and earlier.status = 'due' and earlier.attempts - earlier.tried_before < $4
              and (earlier.tried_before = 0 or each.tried_before > 0)
       )
), locked as (
    select each.tenant_id, each.webhook_id, each.message_id
      from usm.webhook_deliveries each
      join due using (tenant_id, webhook_id, message_id)
     where due.place <= $2 and each.status = 'due' and each.not_before <= now() and each.leased_until <= now()
     order by each.not_before, each.seq
     limit $1
       for update of each skip locked
), claimed as (
    update usm.webhook_deliveries each
       set leased_until = now() + make_interval(secs => $3), attempts = attempts + 1
      from locked
     where each.tenant_id = locked.tenant_id and each.webhook_id = locked.webhook_id
       and each.message_id = locked.message_id
    returning each.tenant_id, each.webhook_id, each.message_id, each.seq, each.attempts, each.tried_before
)
select claimed.tenant_id, claimed.webhook_id, claimed.message_id, claimed.attempts - claimed.tried_before as attempts,
       claimed.tried_before,
       hook.url, hook.secret_sealed, hook.secret_key, hook.secret_number,
       case when hook.previous_until > now() then hook.previous_sealed end as previous_sealed,
       case when hook.previous_until > now() then hook.previous_key end as previous_key,
       line.seq, line.app_id, line.version, extract(epoch from line.at)::float8 as at, line.message,
       line.from_state, line.to_state, line.reason
  from claimed
  join usm.webhooks hook using (tenant_id, webhook_id)
  left join public.session_journal line on line.tenant_id = claimed.tenant_id and line.seq = claimed.seq
 order by claimed.tenant_id, claimed.seq;
