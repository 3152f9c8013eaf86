"""File descriptors: every session has two, every HTTP connection one, and platforms begin with few."""

from __future__ import annotations

import resource

import structlog

from supervisor.connections import MOST

PER_SESSION = 2
"""Its connection to Telegram, and its file."""

OTHERS = MOST + 256
"""HTTP connections, and of the stores and whatever else there is."""

log = structlog.get_logger(__name__)


def want_descriptors(sessions: int) -> None:
    """Take as many as so many sessions need, as far as the platform gives them; else log the fix."""
    wanted = sessions * PER_SESSION + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < wanted:
        log.warning(
            "too few file descriptors for NODE_CAPACITY sessions: raise the hard limit (LimitNOFILE=, ulimit -Hn)",
            has=limit,
            wants=wanted,
            enough_for=max(0, limit - OTHERS) // PER_SESSION,
        )
