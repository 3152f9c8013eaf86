-- The roles that Supabase brings along, for a plain PostgreSQL (15 or newer). Not for Supabase itself.
-- Roles belong to the whole cluster: run once per cluster, by a role that may create roles. Repeatable.

do $$
begin
    if not exists (select from pg_roles where rolname = 'anon') then
        create role anon nologin noinherit;
        comment on role anon is 'A visitor who has not signed in; may do nothing here.';
    end if;
    if not exists (select from pg_roles where rolname = 'authenticated') then
        create role authenticated nologin noinherit;
        comment on role authenticated is 'A signed-in user, for whom the claims in request.jwt.claims speak.';
    end if;
    if not exists (select from pg_roles where rolname = 'service_role') then
        begin
            create role service_role nologin noinherit bypassrls;
        exception when insufficient_privilege then
            -- Only a superuser, or a role that itself bypasses, grants this; the policies for service_role suffice.
            create role service_role nologin noinherit;
        end;
        comment on role service_role is 'The service itself, across tenants.';
    end if;
end
$$;
