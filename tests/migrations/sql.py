"""One statement by somebody, as the service sends it: a transaction of its own with role and claims."""

import asyncio
import json
from typing import Any

import asyncpg

from tests.stores import Database

Rows = list[Any]
"""Records, which can be read by name and are equal to tuples."""


def query(url: str, statement: str, *arguments: object) -> Rows:
    """The rows of one statement by whoever the URL logs in."""

    async def run() -> Rows:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())


def act(
    database: Database, role: str, claims: dict[str, Any] | str, statement: str, *arguments: object
) -> Rows:
    """The rows of one statement in a role, with claims (those of a tenant if it is just a name).

    The service's own roles are taken by its login, those of Supabase's API by a superuser.
    """
    if isinstance(claims, str):
        claims = {"app_metadata": {"tenant_id": claims}}
    url = database.app_url if role in {"usm_tenant", "service_role"} else database.admin_url

    async def run() -> Rows:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
        try:
            async with connection.transaction():
                await connection.execute(
                    "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
                    role,
                    json.dumps(claims) if claims else "",
                )
                return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())
