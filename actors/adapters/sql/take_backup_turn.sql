-- Have the turn for $2 seconds from now, as the run $1: if it is free, over, or ours. No row if another has it.
insert into usm.backup_turn as turn (holder, held_until)
values ($1, now() + make_interval(secs => $2))
on conflict (only_row) do update
   set holder = excluded.holder, held_until = excluded.held_until
 where turn.holder = excluded.holder or turn.held_until < now()
returning holder;
