-- Answer request $3, which life $2 of node $1 has taken. Returns a row, or none if nobody waits for it any more.
-- By primary key.
update usm.inbox
   set state = 'answered', answer = $4, answer_sealed_by = $5, answered_at = now()
 where id = $3 and state = 'started' and started_by = $1 and started_number = $2
returning id;
