-- The same credential of the session $1, $2, fingerprint $3, sealed anew as version $4, epoch $7: $5; and the fingerprint
-- $6 of the session's file in folder $8, if it was written. By primary keys.
with noted as (
    update public.telegram_sessions set credential_version = $4 where tenant_id = $1 and app_id = $2
)
update public.telegram_credentials
   set version = $4, epoch = $7, sealed = $5, file_fingerprint = coalesce($6, file_fingerprint),
       file_place = case when $6::text is null then file_place else $8 end
 where tenant_id = $1 and app_id = $2 and fingerprint = $3;
