-- Whether the session $1, $2 is owned at epoch $3; null is by nobody. By primary key.
select (select epoch from public.session_owners
         where tenant_id = $1 and app_id = $2 and owner_node is not null) is not distinct from $3::bigint;
