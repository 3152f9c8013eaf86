"""Which node a free session should go to: a proposal, by rendezvous hashing with bounded loads. The row decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from math import ceil

from actors.core.names import SessionKey
from actors.core.owners import Heartbeat

SLACK = 1.25
"""A node is given no more than so many times the average."""


def place(key: SessionKey, nodes: Iterable[Heartbeat]) -> str | None:
    """The node that a free session should go to, the same for all who see the same nodes; None if there is none.

    No session is moved because this says another node later: each move is a reconnect.
    """
    fit = [node for node in nodes if not node.is_draining]
    if not fit:
        return None
    share = ceil(SLACK * (sum(node.load for node in fit) + 1) / len(fit))
    roomy = [node for node in fit if not node.capacity or node.load < node.capacity] or fit
    best = max([node for node in roomy if node.load < share] or roomy, key=lambda node: _score(key, node))
    return best.node.node_id


def surplus(me: str, nodes: Sequence[Heartbeat]) -> int:
    """How many sessions this node has beyond what is fair, once that is worth moving them."""
    fit = [node for node in nodes if not node.is_draining]
    mine = [node.load for node in fit if node.node.node_id == me]
    if not mine or len(fit) == 1:
        return 0
    average = sum(node.load for node in fit) / len(fit)
    return 0 if mine[0] <= SLACK * average + 1 else int(mine[0] - average)


def _score(key: SessionKey, node: Heartbeat) -> bytes:
    return blake2b(f"{key.tenant_id}/{key.app_id}@{node.node.node_id}".encode(), digest_size=8).digest()
