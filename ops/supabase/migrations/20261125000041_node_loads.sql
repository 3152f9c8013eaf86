-- How much a node has in hand, so that the others know where there is room. Told with each renewal; nothing rests on it.

alter table public.nodes
    add column load integer not null default 0 check (load >= 0),
    add column capacity integer not null default 0 check (capacity >= 0);
comment on column public.nodes.load is 'How many sessions it owned when it last renewed.';
comment on column public.nodes.capacity is 'How many it is meant to own at most.';

-- An ownership incident: keys were in use twice, so nobody connects or takes over for a while.
alter table public.cluster add column held_until timestamptz;
comment on column public.cluster.held_until is
    'Until when no node takes sessions over or opens connections, because auth keys were found in use twice.';
