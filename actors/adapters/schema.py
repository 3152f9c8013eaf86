"""What a database has, to be compared with what this release needs. Nothing is changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import asyncpg

from actors.adapters.postgres import Connection, Database, read_sql
from actors.errors import StoreRefused

Result = TypeVar("Result")

_FOLDER = Path(__file__).parent / "sql"
_OWN = _FOLDER / "schema"

_AS_LOGIN = read_sql("schema/act_as_login")
_MAY_SEE = read_sql("schema/may_see_history")
_HISTORY = read_sql("schema/history")
_SERVER = read_sql("schema/server")


class Schema:
    """Looks at one database. Every method raises StoreUnavailable and StoreRefused."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def server(self) -> tuple[str, int]:
        """The server's version, for people and its first number."""

        async def ask(connection: Connection) -> tuple[str, int]:
            row = await connection.fetchrow(_SERVER)
            assert row is not None  # noqa: S101 - it has no FROM
            return row["text"], row["major"]

        return await self._as_service(ask)

    async def applied(self) -> Mapping[str, str] | None:
        """The names of the migrations that were applied, by version; None if this login is not shown them."""

        async def ask(connection: Connection) -> Mapping[str, str] | None:
            await connection.execute(_AS_LOGIN)
            may_see = await connection.fetchval(_MAY_SEE)
            if may_see is None:
                return {}
            if not may_see:
                return None
            return {row["version"]: row["name"] for row in await connection.fetch(_HISTORY)}

        return await self._as_service(ask)

    async def misfit(self) -> str | None:
        """What the first statement of ours does not find, of tables, columns and functions; None if all find theirs.

        The statements are prepared, and not executed.
        """

        async def ask(connection: Connection) -> str | None:
            try:
                for path in sorted(_FOLDER.rglob("*.sql")):
                    if path.parent != _OWN:
                        # Without a name, nothing is left on a connection that a pooler lends on.
                        await connection.prepare(path.read_text(encoding="utf-8"), name="")
            except asyncpg.SyntaxOrAccessError as error:
                return str(error)
            return None

        return await self._as_service(ask)

    async def _as_service(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        try:
            return await self._database.as_service(work)
        # The second is what PostgreSQL says of a role that it does not have.
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError) as error:
            raise StoreRefused(
                "this login cannot act as the service does: make the roles with python -m ops.migrate,"
                " and log in as usm_app"
            ) from error
