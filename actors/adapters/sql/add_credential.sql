-- Keep a credential: current unless $10, how long until Telegram is told to log it out, is given.
insert into public.telegram_credentials
    (tenant_id, app_id, fingerprint, telegram_user_id, version, epoch, key_id, sealed, status, reason, not_before)
values
    ($1, $2, $3, $4, $5, $6, $7, $8, case when $10::interval is null then 'current' else 'owed' end, $9,
     now() + $10::interval);
