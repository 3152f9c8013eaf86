-- The answers to these requests, as far as they are there. By primary key.
select id, tenant_id, app_id, answer, answer_sealed_by
  from usm.inbox
 where id = any($1) and state = 'answered';
