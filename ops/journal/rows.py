"""The rows of `session_journal`, read in order from one snapshot, some thousand at a time."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from ops.journal.chain import Line
from ops.journal.errors import CannotRun

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_BATCH = 2000
_CONNECT_WITHIN = 10.0

_DECLARE = """
declare lines no scroll cursor for
select tenant_id, app_id, version, at, message, from_state, to_state, reason,
       -- what cannot be null unless somebody took the constraints away
       coalesce(seq, 0), coalesce(hash, '')
  from public.session_journal
 where ($1::text is null or tenant_id = $1) and ($2::text is null or app_id = $2)
 order by tenant_id, seq
"""
_FETCH = f"fetch {_BATCH} from lines"


@asynccontextmanager
async def open_journal(url: str, *, as_tenant: str | None = None) -> AsyncIterator[Connection]:
    """A transaction that sees the journal as this tenant does or, without one, all of it; it can only read.

    Raises CannotRun for whatever keeps it from that, also for a login that might see no more than a part.
    """
    try:
        connection = await _connect(url)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await _become(connection, as_tenant)
                yield connection
        finally:
            await connection.close(timeout=_CONNECT_WITHIN)
    except asyncpg.InsufficientPrivilegeError as error:
        raise CannotRun(
            f"this login may not read the journal ({error}): use usm_app's or a superuser's"
        ) from error
    except (asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError) as error:
        raise CannotRun(f"the database is not up to date ({error}): run python -m ops.migrate") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotRun(f"the database cannot be read ({error}): check DATABASE_URL") from error


async def lines(
    connection: Connection, tenant_id: str | None, app_id: str | None = None
) -> AsyncGenerator[Line, None]:
    """The lines of this tenant and session, or of all, chain by chain and in the order of seq."""
    await connection.execute(_DECLARE, tenant_id, app_id)
    while batch := await connection.fetch(_FETCH):
        for row in batch:
            yield Line(*row)


async def count(connection: Connection, tenant_id: str | None) -> int:
    """How many lines there are to read."""
    number: int = await connection.fetchval(
        "select count(*) from public.session_journal where $1::text is null or tenant_id = $1", tenant_id
    )
    return number


async def _connect(url: str) -> Connection:
    try:
        # Without a statement cache it works through poolers in transaction mode.
        return await asyncpg.connect(url, timeout=_CONNECT_WITHIN, statement_cache_size=0)
    except ValueError:  # its text may quote a part of the password
        raise CannotRun("this is no connection string of PostgreSQL's: check DATABASE_URL") from None


async def _become(connection: Connection, tenant_id: str | None) -> None:
    """Take a role to which policies show all that is asked for; an owner without rights would be shown nothing."""
    role = "service_role" if tenant_id is None else "usm_tenant"
    claims = "" if tenant_id is None else json.dumps({"role": role, "app_metadata": {"tenant_id": tenant_id}})
    await connection.execute(
        "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", role, claims
    )
    # As it is kept: datetime has no room for every year that PostgreSQL knows.
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=lambda at: at, decoder=lambda at: at[0], format="tuple"
    )
