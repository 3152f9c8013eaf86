-- How much a node has in hand, so that the others know where there is room. Told with each renewal; nothing rests on it.

alter table public.nodes
    add column load integer not null default 0 check (load >= 0),
    add column capacity integer not null default 0 check (capacity >= 0);
comment on column public.nodes.load is 'How many sessions it owned when it last renewed.';
comment on column public.nodes.capacity is 'How many it is meant to own at most.';

-- Each start of a process is a node of its own; those that are over are removed once they own nothing.
grant delete on table public.nodes to service_role;
