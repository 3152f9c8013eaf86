-- The server's version, for people and as a number.
select current_setting('server_version') as text, current_setting('server_version_num')::int / 10000 as major;
