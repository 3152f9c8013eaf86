-- How a session's file was when it was last written, to notice that somebody else has touched it. Advisory: what tells
-- one login from another is the keyed fingerprint.

alter table public.telegram_credentials
    add column file_fingerprint text check (file_fingerprint ~ '^[0-9a-f]{64}:[0-9]+:-?[0-9]+$');
comment on column public.telegram_credentials.file_fingerprint is
    'SHA256:size:mtime of the session''s file as it was last written with this credential; null if it never was.';
