-- Erase what was kept long enough, of all tenants. By telegram_credentials_erased.
with erased as (
    update public.telegram_credentials set sealed = null
     where sealed is not null and erase_after is not null and erase_after <= now()
    returning 1
)
select count(*) from erased;
