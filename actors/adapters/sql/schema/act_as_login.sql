-- Be whoever logged in until the end of this transaction: the history of migrations is the owner's.
select set_config('role', 'none', true);
