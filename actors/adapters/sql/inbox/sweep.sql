-- Remove at most a thousand requests that are void since a minute. By inbox_expired.
with removed as (
    delete from usm.inbox
     where id in (select id from usm.inbox where expires_at < now() - interval '1 minute' limit 1000 for update skip locked)
    returning id
)
select count(*) from removed;
