-- Let nobody else add a webhook of tenant $1 until the end of this transaction.
select pg_advisory_xact_lock(hashtext('usm.webhooks'), hashtext($1));
