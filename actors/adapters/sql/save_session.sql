-- Write version $3 of a session over the version before it and, unless $10 is null, the journal's line with it.
-- Returns the version, or no row if there is nothing at the version before it to write over, or if the session is not
-- owned at epoch $14; null is by nobody. By primary keys.
with leave as (
    select
     where (select epoch from public.session_owners
             where tenant_id = $1 and app_id = $2 and owner_node is not null) is not distinct from $14::bigint
), added as (
    insert into public.telegram_sessions
        (tenant_id, app_id, version, state, reason, data, telegram_user_id, state_since, desired_state)
    select $1, $2, $3::bigint, $4, $5, $6::jsonb, $7::bigint, to_timestamp($8), $9
      from leave
     where $3 = 1
    on conflict do nothing
    returning version
), changed as (
    update public.telegram_sessions
       set version = $3, state = $4, reason = $5, data = $6, telegram_user_id = $7,
           state_since = to_timestamp($8), desired_state = $9
      from leave
     where tenant_id = $1 and app_id = $2 and version = $3 - 1
    returning version
), written as (
    table added union all table changed
), noted as (
    insert into public.session_journal (tenant_id, app_id, version, message, from_state, to_state, reason)
    select $1, $2, version, $10, $11, $12, $13
      from written
     where $10::text is not null
)
select version from written;
