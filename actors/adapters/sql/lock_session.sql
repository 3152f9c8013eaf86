-- Whoever writes credentials of the session $1, $2 takes this lock first, as a save does. By primary key.
select from public.telegram_sessions where tenant_id = $1 and app_id = $2 for update;
