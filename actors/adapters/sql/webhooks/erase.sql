-- Forget what was settled more than $1 seconds ago. By webhook_deliveries_settled.
with erased as (
    delete from usm.webhook_deliveries
     where status <> 'due' and settled_at < now() - make_interval(secs => $1)
    returning 1
)
select count(*) from erased;
