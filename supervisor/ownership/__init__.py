"""Exactly one owner for each auth key: the rules, as values and pure functions. No clock, no await, no I/O.

    timings   the quantities, and the bound that they must keep
    node      my life: renewals, the local deadline, when to fence myself
    watch     the others: whose heartbeat stands still, on my own clock
    claim     one session that is mine: quarantine, connect, pings, release
    attest    deaths that somebody has seen, where nobody has to wait for silence

Times are seconds on the node's own CLOCK_BOOTTIME, always passed in. The model check in `tests/ownership` runs these
very functions through every interleaving of two nodes, one session and a data centre; `ops/docs/ownership.md` draws
the whole.
"""
