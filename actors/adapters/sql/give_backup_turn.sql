-- Let the next one have the turn, if the run $1 still has it.
delete from usm.backup_turn where holder = $1;
