-- Give a webhook another URL $3 and status $4, and tell it of the apps $5 and states $6 (null: all). Enabled anew it has no failures behind it. By primary key.
update usm.webhooks
   set url = $3, status = $4, apps = $5, states = $6,
       failing_since = case when $4 = 'enabled' and status <> 'enabled' then null else failing_since end
 where tenant_id = $1 and webhook_id = $2
returning *;
