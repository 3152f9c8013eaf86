-- The session $1, $2 gets the credential with the fingerprint $3; the version and the ownership epoch under which to
-- seal it. By primary keys.
update public.telegram_sessions
   set credential_fingerprint = $3, credential_version = credential_version + 1
 where tenant_id = $1 and app_id = $2
returning credential_version as version,
          coalesce((select epoch from public.session_owners where tenant_id = $1 and app_id = $2), 0) as epoch;
