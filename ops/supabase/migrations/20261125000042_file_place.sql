-- In which folder a session's file was when its fingerprint was taken: other supervisors may have folders of their own,
-- with files of the same session that were written at other times.

alter table public.telegram_credentials
    add column file_place text check (file_place ~ '^[0-9a-f]{16}$');
comment on column public.telegram_credentials.file_place is
    'Which folder of session files the fingerprint is of; null if that is not known.';
