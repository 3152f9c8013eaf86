-- The tenant $1's data key $2 is $3 now, wrapped by $4; unless somebody else has rewrapped it since it was read. By
-- primary key.
update public.tenant_keys set wrapped = $3, wrapped_by = $4
 where tenant_id = $1 and key_id = $2 and wrapped_by = $5
returning key_id;
