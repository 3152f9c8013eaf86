-- Remove these requests, begun or not. By primary key.
delete from usm.inbox where id = any($1);
