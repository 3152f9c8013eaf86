-- The role the service logs in as. It may do nothing by itself: every transaction first becomes usm_tenant (with a
-- tenant in its claims) or service_role. Run once per cluster, on Supabase too. Repeatable; sets the password anew.
-- Expects the setting usm.app_password: a password, or better its SCRAM verifier.

do $$
begin
    if not exists (select from pg_roles where rolname = 'usm_tenant') then
        create role usm_tenant nologin noinherit nobypassrls;
        comment on role usm_tenant is 'What the service does on behalf of one tenant, named in request.jwt.claims.';
    end if;
    -- Attributes are set on creation only: Supabase lets nobody alter them.
    if not exists (select from pg_roles where rolname = 'usm_app') then
        create role usm_app login noinherit nobypassrls;
        comment on role usm_app is 'The service''s login; nothing without SET ROLE.';
    end if;
    if exists (select from pg_roles where rolname = 'usm_app' and (rolsuper or rolbypassrls or rolinherit)) then
        raise exception 'the role usm_app could get around row level security'
            using hint = 'Drop the role usm_app and run this again: it is created with the right attributes.';
    end if;
    if coalesce(current_setting('usm.app_password', true), '') = '' then
        raise exception 'the setting usm.app_password is empty' using hint = 'Set it, in this session, first.';
    end if;
    execute format('alter role usm_app password %L', current_setting('usm.app_password'));
end
$$;

grant usm_tenant, service_role to usm_app;
