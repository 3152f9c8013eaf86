"""PostgreSQL and Redis as the command line asks them itself, without a service. Nothing is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import trio

from actors.adapters.postgres import PostgresStore, open_postgres
from actors.adapters.redis import Server, open_redis, server_of
from actors.bridge import open_loop
from actors.core.names import SessionKey
from actors.core.record import from_record
from actors.core.states import Substate, UserAction
from actors.errors import StoreRefused, StoreUnavailable
from actors.ports import Saved
from actors.published import Snapshot
from api.session_replies import session
from ops.control.errors import Declined, NoAnswer, NotAsked
from ops.control.service import Json

Result = TypeVar("Result")

PATIENCE = 10.0
PAGE = 200


def saved_sessions(url: str) -> list[Json]:
    """Every session as it was saved last, in the order of their names. Raises ControlError."""

    async def read(store: PostgresStore) -> list[Json]:
        found: list[Json] = []
        after: SessionKey | None = None
        while page := await store.page(None, after, PAGE):
            found += [_told(key, saved) for key, saved in page]
            after = page[-1][0]
        return found

    return in_postgres(url, read)


def saved_session(url: str, key: SessionKey) -> Json:
    """A session as it was saved last. Raises ControlError."""
    saved = in_postgres(url, lambda store: store.load(key))
    if saved is None:
        raise Declined(f"PostgreSQL has no session {key} (session_unknown)", {"code": "session_unknown"})
    return _told(key, saved)


def in_postgres(url: str, work: Callable[[PostgresStore], Awaitable[Result]]) -> Result:
    """Do this in PostgreSQL, which refuses to write meanwhile. Raises NoAnswer and NotAsked."""

    async def run() -> Result:
        async with (
            open_loop(),
            open_postgres(url, pool_size=1, on_denied=_no_matter, deadline=PATIENCE, read_only=True) as store,
        ):
            return await work(store)

    return _run(run, "DATABASE_URL")


def redis_server(url: str) -> Server:
    """What answers there. Raises NoAnswer and NotAsked."""

    async def run() -> Server:
        async with open_loop(), open_redis(url, pool_size=1) as client:
            return await server_of(client)

    return _run(run, "REDIS_URL")


REFUSALS = (StoreUnavailable, StoreRefused, ValueError, asyncpg.InsufficientPrivilegeError)


def _run(work: Callable[[], Awaitable[Result]], variable: str) -> Result:
    try:
        return trio.run(work)
    except (BaseExceptionGroup, *REFUSALS) as error:
        # Not except*: before Python 3.11.4 what is raised there comes out in a group again.
        match _leaf(error):
            case StoreUnavailable() as leaf:
                raise NoAnswer(f"{leaf}: check that it runs, and {variable}") from None
            case StoreRefused() | ValueError() as leaf:
                raise NotAsked(str(leaf)) from None
            case asyncpg.InsufficientPrivilegeError():
                sentence = f"this login may not read the sessions: take the service's own {variable}"
                raise NotAsked(sentence) from None
            case KeyboardInterrupt():
                raise KeyboardInterrupt from None  # by itself, as whoever ends the program expects it
            case _:
                raise


def _told(key: SessionKey, saved: Saved) -> Json:
    """As the service tells it, but for what its supervisor alone knows: what a connection is doing right now."""
    told = session(key, Snapshot(from_record(saved.record), saved.version, saved.since))
    if told.substate is Substate.CONNECTING:  # with which a start would begin
        told = told.model_copy(update={"substate": None, "user_action": UserAction.NONE})
    return told.model_dump(mode="json")


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _no_matter() -> None:
    """There are no metrics here; the refusal itself is raised."""
