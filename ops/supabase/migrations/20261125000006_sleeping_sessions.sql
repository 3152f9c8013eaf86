-- Sleeping sessions: found by the moment at which they must wake, without reading all the others.

create index telegram_sessions_wake_at on public.telegram_sessions (((data ->> 'wake_at')::float8))
    where data ? 'wake_at' and desired_state = 'running';
comment on index public.telegram_sessions_wake_at is 'Which sleeping sessions are due.';
