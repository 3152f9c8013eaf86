-- How many erased credentials are known by another key than $1 only. Sequential scan: once per change of keys.
select count(*) from public.telegram_credentials where sealed is null and split_part(fingerprint, ':', 1) <> $1;
