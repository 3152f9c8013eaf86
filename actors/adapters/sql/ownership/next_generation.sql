-- Void all numbers given out before: every renewal of a node that runs is denied from now on.
update public.cluster set generation = generation + 1 returning generation;
