"""How a request reaches the node that owns a session, and how its answer comes back: see ops/docs/routing.md.

router.py    which node: a Directory over all of them, in front of the local one
office.py    the part of the process that listens to the doorbell and does the two below
asking.py    requests of ours: left in the post, rung for, waited for
serving.py   requests of others: taken, given to the local directory, answered
"""
