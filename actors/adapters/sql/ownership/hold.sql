-- Let nobody connect or take over for $1, from now on.
update public.cluster set held_until = now() + $1::interval;
