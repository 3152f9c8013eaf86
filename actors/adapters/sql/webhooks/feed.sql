-- Put into the outbox what the journals have after each webhook's position: $1 webhooks, $2 lines of each at most.
-- One statement: a line is in the outbox exactly if the position is past it, whatever crashes. Webhooks that have $3
-- to be told already wait; the journal is patient. What a webhook does not want is passed over. How many lines that was,
-- wanted or not.
with behind as (
    select hook.tenant_id, hook.webhook_id, hook.position, hook.apps, hook.states
      from usm.webhooks hook
     where hook.status = 'enabled'
       and exists (
           select from public.session_journal line
            where line.tenant_id = hook.tenant_id and line.seq > hook.position
       )
       and (
           select count(*) from usm.webhook_deliveries due
            where due.tenant_id = hook.tenant_id and due.webhook_id = hook.webhook_id and due.status = 'due'
       ) < $3
     limit $1
       for update of hook skip locked
), lines as (
    select behind.tenant_id, behind.webhook_id, line.seq, line.app_id,
           (behind.apps is null or line.app_id = any (behind.apps))
               and (behind.states is null or line.to_state = any (behind.states)) as wanted
      from behind
     cross join lateral (
        select seq, app_id, to_state from public.session_journal
         where tenant_id = behind.tenant_id and seq > behind.position
         order by seq
         limit $2
     ) as line
), put as (
    insert into usm.webhook_deliveries (tenant_id, webhook_id, message_id, seq, app_id)
    select tenant_id, webhook_id, 'msg_' || tenant_id || '_' || seq, seq, app_id from lines where wanted
    on conflict do nothing
), moved as (
    update usm.webhooks hook
       set position = reached.seq
      from (select tenant_id, webhook_id, max(seq) as seq from lines group by 1, 2) as reached
     where hook.tenant_id = reached.tenant_id and hook.webhook_id = reached.webhook_id
)
select count(*) from lines;
