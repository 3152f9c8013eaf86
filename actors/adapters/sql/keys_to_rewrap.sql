-- At most $4 data keys, of all tenants, that another key than $1 wraps, after the tenant $2 and its key $3.
-- By primary key: all of them are gone through.
select tenant_id, key_id, wrapped, wrapped_by
  from public.tenant_keys
 where wrapped_by <> $1 and (tenant_id, key_id) > ($2, $3::bigint)
 order by tenant_id, key_id
 limit $4;
