"""Sessions and their journal in PostgreSQL: every operation is one transaction for one tenant or for the service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar
from weakref import WeakValueDictionary

import asyncpg
import trio
from asyncpg.exceptions import TargetServerAttributeNotMatched
from asyncpg.pool import PoolConnectionProxy

from actors.bridge import BridgeLost, in_asyncio
from actors.core.credential import Keeping
from actors.core.names import SessionKey
from actors.core.record import Record
from actors.core.states import Reason, SessionState
from actors.epochs import Epochs
from actors.errors import NotOwner, StoreRefused, StoreUnavailable, VersionConflict
from actors.ports import Saved, Transition

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Result = TypeVar("Result")

DEADLINE = 3.0
"""Seconds for an operation, and once more to get rid of one that the server does not even let us cancel."""

RETRY_AFTER = 2.0

SAVES_AT_ONCE = 2
"""Of one tenant: its journal is a chain, so more would have connections and wait, and none be left for others."""

_OUTAGES = (
    OSError,  # also TimeoutError
    BridgeLost,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # too many connections
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.ReadOnlySQLTransactionError,  # a standby after a failover, or Supabase with its disk full
    asyncpg.InternalServerError,  # what Supavisor says when it has no connection left
    asyncpg.InterfaceError,  # the connection ended under its transaction, or the pool is closed
    asyncpg.InternalClientError,  # likewise, between a cancelled statement and the next
    TargetServerAttributeNotMatched,  # no primary among the hosts of the URL
)


_MISFITS = (
    asyncpg.InvalidAuthorizationSpecificationError,  # also a wrong password
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
)


def _misfit(error: Exception) -> str:
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
        return "the database is not up to date: run python -m ops.migrate"
    return (
        f"the database refuses us ({type(error).__name__}): check user, password and database in DATABASE_URL"
    )


def read_sql(name: str) -> str:
    """The statement in the file of this name."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


_ACT_AS = read_sql("act_as")
_LOAD = read_sql("load_session")
_SAVE = read_sql("save_session")
_COMPARE = read_sql("compare_session")
_OWNED = read_sql("is_owned")
_RUNNING = read_sql("running_sessions")
_DUE = read_sql("due_sessions")
_PAGE = read_sql("page_of_sessions")


class Database:
    """Transactions on behalf of somebody. The role that logs in may do nothing by itself.

    Each method crosses the bridge once and raises StoreUnavailable for every kind of outage. A refusal by row
    level security is none: `on_denied` is called and asyncpg's error raised.
    """

    def __init__(
        self, pool: Pool, on_denied: Callable[[], None], deadline: float, *, read_only: bool = False
    ) -> None:
        self._pool = pool
        self._deadline = deadline
        self._read_only = read_only
        self.saves_at_once = SAVES_AT_ONCE
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.on_denied = on_denied

    async def as_tenant(
        self, tenant_id: str, work: Callable[[Connection], Awaitable[Result]], *, in_turn: bool = False
    ) -> Result:
        """Do asyncio-flavoured work in a transaction that sees and writes rows of this tenant only.

        `in_turn`: with at most `saves_at_once` of the tenant at a time, for what adds to its journal.
        """
        claims = {"role": "usm_tenant", "app_metadata": {"tenant_id": tenant_id}}
        if in_turn:
            return await self._cross(self._take_turn, tenant_id, claims, work)
        return await self._cross(self._transact, claims, work)

    async def as_service(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Do asyncio-flavoured work in a transaction that sees and writes the rows of all tenants."""
        return await self._cross(self._transact, {"role": "service_role"}, work)

    async def ping(self) -> None:
        """Return if the database answers."""
        await self._cross(self._answer)

    async def _take_turn(
        self, tenant_id: str, claims: dict[str, Any], work: Callable[[Connection], Awaitable[Result]]
    ) -> Result:
        turn = self._turns.setdefault(tenant_id, asyncio.Semaphore(self.saves_at_once))
        async with asyncio.timeout(self._deadline), turn:
            return await self._transact(claims, work)

    async def _transact(
        self, claims: dict[str, Any], work: Callable[[Connection], Awaitable[Result]]
    ) -> Result:
        async with asyncio.timeout(self._deadline), self._pool.acquire() as connection:
            try:
                # Named, whatever the database's default: what is compared must include what a save waited for.
                async with connection.transaction(isolation="read_committed", readonly=self._read_only):
                    await connection.fetchrow(_ACT_AS, claims["role"], json.dumps(claims))
                    return await work(connection)
            except (asyncio.CancelledError, asyncpg.QueryCanceledError):
                await _end(connection)
                raise

    async def _answer(self) -> None:
        async with asyncio.timeout(self._deadline):
            # Without arguments it is one message: a pooler cannot send its halves to two servers.
            await self._pool.execute("select 1")

    async def _cross(self, fn: Callable[..., Awaitable[Result]], *args: object) -> Result:
        try:
            return await in_asyncio(fn, *args)
        except asyncpg.InsufficientPrivilegeError:
            self.on_denied()
            raise
        except _MISFITS as error:
            raise StoreRefused(_misfit(error)) from error
        except _OUTAGES as error:
            raise StoreUnavailable("the database cannot be reached", RETRY_AFTER) from error


class Keeper(Protocol):
    """Writes what becomes of a session's credentials, in the transaction that has written the session's row."""

    async def keep(self, connection: Connection, key: SessionKey, keeping: Keeping) -> None:
        """Write it."""
        ...

    async def has_kept(self, connection: Connection, key: SessionKey, keeping: Keeping) -> bool:
        """Whether it was written, if that can be seen."""
        ...


class _Written(Enum):
    """What became of a save."""

    YES = auto()
    NO = auto()
    OUT_OF_SIGHT = auto()
    NOT_OURS = auto()


_WRITTEN = {True: _Written.YES, False: _Written.NO, None: _Written.OUT_OF_SIGHT}
"""By what `compare_session.sql` says."""


class PostgresStore:
    """A Store in PostgreSQL. Without a keeper it saves states, but nothing of credentials.

    It saves what is this process's own by `epochs`, or nobody's.
    """

    def __init__(
        self, database: Database, keeper: Keeper | None = None, epochs: Epochs | None = None
    ) -> None:
        self.database = database
        self._keeper = keeper
        self._epochs = epochs or Epochs()

    async def load(self, key: SessionKey) -> Saved | None:
        """See Store."""

        async def fetch(connection: Connection) -> asyncpg.Record | None:
            return await connection.fetchrow(_LOAD, key.tenant_id, key.app_id)

        row = await self.database.as_tenant(key.tenant_id, fetch)
        return None if row is None else _saved(row)

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        """See Store. Writing again what is already there is no conflict: a reply may have been lost."""
        row, line, epoch = _row(key, saved), _line(transition), self._epochs.of(key)
        keeper = self._keeper
        if keeping is not None and keeper is None:
            raise ValueError("this store was opened without a keeper of credentials")

        async def write(connection: Connection) -> _Written:
            if await connection.fetchval(_SAVE, *row, *line, epoch) is not None:
                if keeper is not None and keeping is not None:
                    await keeper.keep(connection, key, keeping)
                return _Written.YES
            if not await connection.fetchval(_OWNED, key.tenant_id, key.app_id, epoch):
                return _Written.NOT_OURS
            is_there: bool | None = await connection.fetchval(_COMPARE, *row)
            if is_there and keeper is not None and keeping is not None:
                is_there = await keeper.has_kept(connection, key, keeping)
            return _WRITTEN[is_there]

        written = await self.database.as_tenant(key.tenant_id, write, in_turn=transition is not None)
        match written:
            case _Written.YES:
                return
            case _Written.NOT_OURS:
                self._epochs.refused(key)
                raise NotOwner(f"{key} belongs to another supervisor")
            case _Written.OUT_OF_SIGHT:
                # Nobody deletes sessions; policies hide rows without a word.
                self.database.on_denied()
        raise VersionConflict(f"{key} is not at version {saved.version - 1}")

    async def running(self) -> list[SessionKey]:
        """See Store."""

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_RUNNING)

        rows = await self.database.as_service(fetch)
        return [SessionKey(row["tenant_id"], row["app_id"]) for row in rows]

    async def due(self, now: float) -> list[SessionKey]:
        """See Store."""

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_DUE, now)

        rows = await self.database.as_service(fetch)
        return [SessionKey(row["tenant_id"], row["app_id"]) for row in rows]

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Saved]]:
        """See Store."""
        last = ("", "") if after is None else (after.tenant_id, after.app_id)

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_PAGE, tenant_id, *last, limit)

        if tenant_id is None:
            rows = await self.database.as_service(fetch)
        else:
            rows = await self.database.as_tenant(tenant_id, fetch)
        return [(SessionKey(row["tenant_id"], row["app_id"]), _saved(row)) for row in rows]

    async def ping(self) -> None:
        """Return if the database answers; raise StoreUnavailable if not."""
        await self.database.ping()


@asynccontextmanager
async def open_postgres(
    url: str,
    *,
    pool_size: int = 10,
    on_denied: Callable[[], None],
    keeper: Keeper | None = None,
    epochs: Epochs | None = None,
    deadline: float = DEADLINE,
    statement_cache_size: int = 0,
    read_only: bool = False,
) -> AsyncIterator[PostgresStore]:
    """Open a store on at most `pool_size` connections, made when needed: a database that is down does no harm yet.

    `url` logs in as `usm_app`. Without a statement cache it works through poolers in transaction mode; on a
    direct connection a cache saves two round trips for each operation. `read_only`: PostgreSQL itself refuses writes.
    """
    pool = await in_asyncio(_open_pool, url, pool_size, deadline, statement_cache_size)
    try:
        yield PostgresStore(Database(pool, on_denied, deadline, read_only=read_only), keeper, epochs)
    finally:
        with trio.CancelScope(shield=True):
            await in_asyncio(_close_pool, pool, deadline)


async def _open_pool(url: str, size: int, deadline: float, statement_cache_size: int) -> Pool:
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        # Shorter than the patience of routers, which forget idle connections without telling.
        max_inactive_connection_lifetime=120.0,
        connect=_connect,
        reset=_reset,
        timeout=deadline,
        command_timeout=deadline,
        statement_cache_size=statement_cache_size,
        server_settings={"application_name": "unified-session-manager"},
    )


async def _connect(*args: Any, **options: Any) -> asyncpg.Connection[asyncpg.Record]:
    try:
        return await asyncpg.connect(*args, **options)
    except ValueError:  # its text may quote a part of the password
        raise StoreRefused("this is no connection string of PostgreSQL's: check DATABASE_URL") from None


async def _end(connection: Connection) -> None:
    """Roll back what a cancellation interrupted, once more.

    The server carries a cancellation out when it gets to it, which may be in the driver's own rollback; then the
    driver gives the connection back with its transaction open, and complains of that to the loop.
    """
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        await connection.execute("rollback")


async def _reset(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """A belt: whatever a transaction may have forgotten, the next one does not inherit its role."""
    await connection.execute("reset role")


async def _close_pool(pool: Pool, deadline: float) -> None:
    # Over TLS asyncio would wait half a minute for the other side's goodbye; cancelled, the pool drops everything.
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline):
            await pool.close()


def _saved(row: asyncpg.Record) -> Saved:
    reason = None if row["reason"] is None else Reason(row["reason"])
    record = Record(
        SessionState(row["state"]),
        reason,
        row["telegram_user_id"],
        json.loads(row["data"]),
        row["desired_state"] == "stopped",
    )
    return Saved(record, row["version"], row["since"])


def _row(key: SessionKey, saved: Saved) -> tuple[object, ...]:
    record = saved.record
    return (
        key.tenant_id,
        key.app_id,
        saved.version,
        record.state,
        record.reason,
        json.dumps(record.details),
        record.account_id,
        saved.since,
        "stopped" if record.stopped else "running",
    )


def _line(transition: Transition | None) -> tuple[str | None, ...]:
    if transition is None:
        return (None, None, None, None)
    return (transition.message, transition.before, transition.after, transition.reason)
