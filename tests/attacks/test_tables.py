# ruff: noqa: S608 - names come from the catalogue, values from tests/attacks/target.py
"""A hostile tenant tries every statement on every table. A table that is added later is attacked too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from io import BytesIO

import asyncpg
import pytest

from tests.attacks.arsenal import ALTERATIONS, READS, WRITES
from tests.attacks.target import THEM, US, Connection, Table, become, tables, theirs, undone

CLAIMS = json.dumps(
    {"role": "service_role", "app_metadata": {"tenant_id": US}, "user_metadata": {"tenant_id": THEM}}
)
ROLES = ("usm_tenant", "authenticated", "anon")
SHAPE = "select c::text from pg_class c where oid = $1::text::regclass"
Refused = asyncpg.InsufficientPrivilegeError
Scene = Callable[[Connection, list[Table]], Awaitable[None]]


def play(url: str, scene: Scene) -> None:
    async def run() -> None:
        connection: Connection = await asyncpg.connect(url, statement_cache_size=0)
        try:
            await scene(connection, await tables(connection))
        finally:
            await connection.close()

    asyncio.run(run())


async def attempt(connection: Connection, attack: str, table: Table) -> str:
    """What the attack's last statement told; empty if the wall refused it. Any other failure is raised."""
    *first, last = attack.format(**table.words()).split("; ")
    try:
        async with connection.transaction():
            for statement in first:
                await connection.execute(statement)
            rows = await connection.fetch(last)
            await connection.execute("set constraints all immediate")
            return str([tuple(row) for row in rows])
    except Refused:
        return ""
    except asyncpg.UniqueViolationError:  # the wall let it pass, and it tells of a row that is there
        return THEM


async def is_harmed(connection: Connection, attack: str, table: Table, role: str) -> bool:
    """Whether the attack, by this role in the hostile tenant's name, showed or changed a row of the victim."""
    async with undone(connection):
        before = await theirs(connection, [table])
        await become(connection, role, CLAIMS)
        shown = await attempt(connection, attack, table)
        await connection.execute("reset role")
        return THEM in shown or await theirs(connection, [table]) != before


def attackable(attack: str, table: Table) -> bool:
    if not table.has_tenant:
        return False  # see test_what_has_no_tenant_is_out_of_a_tenants_reach
    return attack in READS.values() or table.kind in ("r", "p")


@pytest.mark.parametrize("attack", [*READS.values(), *WRITES.values()], ids=[*READS, *WRITES])
def test_no_statement_shows_or_changes_anothers_row(walled: str, attack: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        assert len([table for table in every if table.has_tenant]) >= 2
        harmed = [
            (table.name, role)
            for table in every
            if attackable(attack, table)
            for role in ROLES
            if await is_harmed(connection, attack, table, role)
        ]
        assert harmed == []

    play(walled, scene)


BLIND = {
    "from the statistics",
    "from the raw statistics",
    "from what others are doing",
    "counted",
    "by an error",
}
"""Attacks that would not show a name, or that something else than policies and grants holds off as well."""


@pytest.mark.parametrize(
    "attack",
    [attack for name, attack in [*READS.items(), *WRITES.items()] if name not in BLIND],
    ids=[name for name in [*READS, *WRITES] if name not in BLIND],
)
def test_without_the_wall_every_one_of_these_statements_would_do_harm(walled: str, attack: str) -> None:
    """Else the test above would prove nothing."""

    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if attackable(attack, table) and table.kind in ("r", "p"):
                async with undone(connection):
                    await connection.execute(f"alter table {table.name} disable row level security")
                    await connection.execute(f"alter table {table.name} disable trigger user")
                    await connection.execute(f"grant all on {table.name} to usm_tenant")
                    assert await is_harmed(connection, attack, table, "usm_tenant"), table.name

    play(walled, scene)


@pytest.mark.parametrize("attack", ALTERATIONS.values(), ids=ALTERATIONS)
def test_no_table_can_be_altered(walled: str, attack: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            for role in (*ROLES, "service_role"):
                assert not await alters(connection, attack, table, role), (table.name, role)

    play(walled, scene)


async def alters(connection: Connection, attack: str, table: Table, role: str) -> bool:
    async with undone(connection):
        before = await connection.fetch(SHAPE, table.name)
        await become(connection, role, CLAIMS)
        try:
            async with connection.transaction():
                await connection.execute(attack.format(**table.words()))
        except Refused:
            return False
        # GRANT by somebody who may not is a mere warning
        await connection.execute("reset role")
        return await connection.fetch(SHAPE, table.name) != before or not attack.startswith("grant")


def test_what_has_no_tenant_is_out_of_a_tenants_reach(walled: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if not table.has_tenant:
                for role in ROLES:
                    async with undone(connection):
                        await become(connection, role, CLAIMS)
                        with pytest.raises(Refused):
                            await connection.execute(f"select from {table.name}")

    play(walled, scene)


@pytest.mark.parametrize("role", ROLES)
def test_a_copy_carries_no_others_rows(walled: str, role: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if table.has_tenant:
                for source in (table.name, f"(select * from {table.name})"):
                    assert THEM not in await copied(connection, role, source)

    play(walled, scene)


async def copied(connection: Connection, role: str, source: str) -> str:
    sink = BytesIO()
    async with undone(connection):
        await become(connection, role, CLAIMS)
        try:
            # asyncpg's own copy methods quote names, and so cannot be given a hostile one
            await connection._copy_out(f"copy {source} to stdout", sink, None)  # type: ignore[attr-defined]
        except Refused:
            return ""
    return sink.getvalue().decode()


@pytest.mark.parametrize("role", ROLES)
def test_a_copy_brings_no_rows_in(walled: str, role: str) -> None:
    """COPY FROM knows no policies, so PostgreSQL refuses it where there are some (its documentation, "COPY")."""

    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if table.has_tenant and table.kind in ("r", "p"):
                async with undone(connection):
                    await become(connection, role, CLAIMS)
                    schema, _, name = f"public.{table.name}".rpartition(".")
                    with pytest.raises((Refused, asyncpg.FeatureNotSupportedError)):
                        await connection.copy_to_table(
                            name,
                            schema_name=schema.rpartition(".")[2],
                            source=BytesIO(b""),
                            columns=["tenant_id"],
                        )

    play(walled, scene)


LEAKS = {
    "select": "select 1 from {table} t where pg_temp.leak(t::text)",
    "update": "update {table} t set tenant_id = tenant_id where pg_temp.leak(t::text)",
    "delete": "delete from {table} t where pg_temp.leak(t::text)",
    "sort": "select 1 from {table} t order by pg_temp.leak(t::text)",
    "join": "select 1 from {table} a join {table} b on pg_temp.leak(a::text || b::text)",
    "constant": "select 1 from {table} t where tenant_id = '{them}' and pg_temp.leak(t::text)",
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_cheap_function_that_tells_its_argument_is_not_asked_before_the_policy(
    walled: str, leak: str
) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        told: list[str] = []
        connection.add_log_listener(lambda _, message: told.append(str(message)))
        for table in every:
            if table.has_tenant:
                async with undone(connection):
                    await become(connection, "usm_tenant", CLAIMS)
                    await connection.execute(
                        "create function pg_temp.leak(line text) returns boolean language plpgsql cost 0.0001"
                        " as $$ begin raise notice '%', line; return true; end $$"
                    )
                    await attempt(connection, leak, table)
        assert THEM not in "".join(told)
        assert US in "".join(told) or leak == LEAKS["constant"] or "delete" in leak

    play(walled, scene)


def test_a_refused_key_does_not_tell_whether_it_exists(walled: str) -> None:
    async def scene(connection: Connection, every: list[Table]) -> None:
        for table in every:
            if table.has_tenant and table.kind in ("r", "p"):
                refusals = set()
                for n in (3, 9):  # the third row is the victim's, a ninth there is not
                    async with undone(connection):
                        await become(connection, "usm_tenant", CLAIMS)
                        with pytest.raises(Refused) as refusal:
                            await connection.execute(
                                f"insert into {table.name} ({', '.join(table.columns)}) values ({table.row(THEM, n)})"
                            )
                        refusals.add((str(refusal.value), refusal.value.detail))
                assert len(refusals) == 1

    play(walled, scene)
