-- The session $1, $2's credential with the fingerprint $3 has the fingerprint $4 now. By primary keys.
with noted as (
    update public.telegram_sessions set credential_fingerprint = $4
     where tenant_id = $1 and app_id = $2 and credential_fingerprint = $3
)
update public.telegram_credentials set fingerprint = $4
 where tenant_id = $1 and app_id = $2 and fingerprint = $3;
