"""What is done to sessions that a directory runs: they log in, they crash."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actors.core.names import SessionKey
from supervisor.keep_alive import Phase
from supervisor.sessions import Sessions
from tests.supervisor.service import KEY, PATIENCE, Service

NEIGHBOUR = SessionKey("tenant", "neighbour")


class Boom(Exception):
    pass


async def log_in(service: Service, sessions: Sessions, key: SessionKey = KEY) -> None:
    await sessions.ask(key, service.start_qr(), PATIENCE)
    service.telegram[key].accept()
    await wait_all_tasks_blocked()


async def crash_until(service: Service, sessions: Sessions, phase: Phase) -> None:
    """Let the session crash on every start from now on, and go on until it is in this phase."""
    service.telegram[KEY].answer(*[Boom()] * 100, to="connect")
    service.telegram[KEY].drop_connection()
    while sessions.running[KEY].health.phase is not phase:
        await trio.sleep(0.5)
