# ruff: noqa: S608 - names come from the catalogue, values from tests/attacks/target.py
"""Claims that are missing, empty, forged or of a wrong type: nothing is shown and nothing written, in any table."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from tests.attacks.target import THEM, US, Connection, Table, become, undone
from tests.attacks.test_tables import Refused, play

NOBODY = {
    "none": "",
    "empty": "{}",
    "null": "null",
    "a list": f'["{THEM}"]',
    "a text": f'"{THEM}"',
    "no tenant": '{"app_metadata": {}}',
    "an empty tenant": '{"app_metadata": {"tenant_id": ""}}',
    "a null tenant": '{"app_metadata": {"tenant_id": null}}',
    "what users may edit": json.dumps({"user_metadata": {"tenant_id": THEM}}),
    "a tenant at the top": json.dumps({"tenant_id": THEM}),
    "a list of tenants": json.dumps({"app_metadata": {"tenant_id": [THEM]}}),
    "an object": json.dumps({"app_metadata": {"tenant_id": {"tenant_id": THEM}}}),
    "a pattern": '{"app_metadata": {"tenant_id": "%"}}',
    "other capitals": json.dumps({"app_metadata": {"tenant_id": THEM.upper()}}),
    "a blank more": json.dumps({"app_metadata": {"tenant_id": f"{THEM} "}}),
    "metadata as a text": json.dumps({"app_metadata": json.dumps({"tenant_id": THEM})}),
    "the service's role": '{"role": "service_role", "app_metadata": {}}',
}


@pytest.mark.parametrize("role", ["usm_tenant", "authenticated"])
@pytest.mark.parametrize("claims", NOBODY.values(), ids=NOBODY)
def test_who_is_nobody_sees_and_writes_nothing(walled: str, role: str, claims: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if table.has_tenant:
                async with undone(connection):
                    await become(connection, role, claims)
                    assert await rows(connection, table) == []
                    for tenant in (US, THEM):
                        assert await is_refused(connection, table, tenant)

    play(walled, scene)


@pytest.mark.parametrize("claims", ["{", "tenant", "{'app_metadata': {}}", f'{{"app_metadata": "{THEM}'])
def test_claims_that_are_no_json_end_the_transaction(walled: str, claims: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if table.has_tenant:
                async with undone(connection):
                    await become(connection, "usm_tenant", claims)
                    with pytest.raises((Refused, asyncpg.InvalidTextRepresentationError)):
                        await connection.fetch(f"select from {table.name}")

    play(walled, scene)


@pytest.mark.parametrize(
    ("claim", "tenant"), [("5", "5"), ("true", "true"), ("null", "null"), ("1e2", "100")]
)
def test_a_number_or_a_truth_value_is_no_tenants_name(walled: str, claim: str, tenant: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if table.has_tenant and table.kind in ("r", "p"):
                async with undone(connection):
                    await connection.execute("set local session_replication_role = replica")
                    await connection.execute(
                        f"insert into {table.name} ({', '.join(table.columns)}) values ({table.row(tenant, 7)})"
                    )
                    await become(connection, "usm_tenant", f'{{"app_metadata": {{"tenant_id": {claim}}}}}')
                    assert await rows(connection, table) == []

    play(walled, scene)


def test_claims_of_an_earlier_transaction_are_gone(walled: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        claims = json.dumps({"app_metadata": {"tenant_id": THEM}})
        for table in every:
            if table.has_tenant:
                async with connection.transaction():
                    await become(connection, "usm_tenant", claims)
                async with undone(connection):
                    await connection.execute("set local role usm_tenant")
                    assert await rows(connection, table) == []

    play(walled, scene)


async def rows(connection: Connection, table: Table) -> list[asyncpg.Record]:
    """What is to be seen; nothing if even that is refused."""
    try:
        async with connection.transaction():
            return await connection.fetch(f"select tenant_id from {table.name}")
    except Refused:
        return []


async def is_refused(connection: Connection, table: Table, tenant: str) -> bool:
    try:
        async with connection.transaction():
            await connection.execute(
                f"insert into {table.name} ({', '.join(table.columns)}) values ({table.row(tenant, 9)})"
            )
    except Refused:
        return True
    return table.kind not in ("r", "p")


def test_nothing_of_a_refused_write_is_left(walled: str) -> None:
    """A wall test must not be the first to write: rows of the fixture are all there is."""

    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if table.has_tenant and table.kind in ("r", "p"):
                found = await connection.fetch(f"select distinct tenant_id from {table.name} order by 1")
                assert [row[0] for row in found] == [US, THEM]

    play(walled, scene)


def test_two_transactions_at_once_have_claims_of_their_own(walled: str) -> None:
    async def as_tenant(tenant: str) -> set[str]:
        connection: Connection = await asyncpg.connect(walled)
        try:
            async with connection.transaction():
                await become(connection, "usm_tenant", json.dumps({"app_metadata": {"tenant_id": tenant}}))
                await asyncio.sleep(0)
                return {row[0] for row in await connection.fetch("select tenant_id from telegram_sessions")}
        finally:
            await connection.close()

    async def both() -> list[set[str]]:
        return await asyncio.gather(*(as_tenant(tenant) for tenant in (US, THEM) * 5))

    assert asyncio.run(both()) == [{US}, {THEM}] * 5
