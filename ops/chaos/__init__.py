"""Real supervisors that are killed, frozen, rolled and cut off, over one sandbox DC, which tells of every duplicate.

    fleet    the processes: servers, sandbox, supervisors, and the ways between them that can be cut
    people   who gives commands meanwhile, and the books of what was acknowledged
    faults   what is done to the fleet, one trouble at a time
    asking   how long an ask takes, at the owner and through another node
    report   what was seen, in figures

`python -m ops.chaos --help` tells how to run it.
"""
