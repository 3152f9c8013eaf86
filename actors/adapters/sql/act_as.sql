-- Be the role $1 with the claims $2 until the end of this transaction: LOCAL, since a pooler lends the connection on.
-- Should we vanish in the middle of it, our locks are released soon.
select set_config('role', $1, true),
       set_config('request.jwt.claims', $2, true),
       set_config('idle_in_transaction_session_timeout', '10s', true);
