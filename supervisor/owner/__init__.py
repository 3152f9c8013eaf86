"""Drives the rules of `supervisor.ownership`: the clocks, the arbiter, and what the rules ask to be done.

life       this node's life: its renewals, its deadline, its end
slots      which node this is on its machine, and who was here before
claims     the sessions of this node, each the guard of its connections
watching   the other nodes: silence, deaths, and what becomes of their sessions
gathering  starts here what should run and nobody has
"""
