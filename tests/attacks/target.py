# ruff: noqa: S608 - names come from the catalogue, values from this file
"""What is attacked: every table there is, found in the catalogue, with rows of two tenants in each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

US = "hostile"
THEM = "victim"
SCHEMAS = ("public", "usm")

SUPABASE_DEFAULTS = """
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
grant usage on schema public to anon, authenticated, service_role;
"""
"""What Supabase does for objects in public (supabase/postgres, init-scripts/00-schema.sql)."""

_TABLES = """
select c.oid::regclass::text as name, c.relkind::text as kind,
       array_agg(a.attname::text order by a.attnum) as columns,
       array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum) as types,
       (select array_agg(k.attname::text) from pg_index i
          join pg_attribute k on k.attrelid = i.indrelid and k.attnum = any(i.indkey)
         where i.indrelid = c.oid and i.indisprimary) as key
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relnamespace::regnamespace::text = any($1)
   and a.attgenerated = '' and a.attidentity <> 'a'
 group by c.oid order by 1
"""

_CONSTRAINTS = """
select format('alter table %s drop constraint %I', conrelid::regclass, conname) from pg_constraint
 where contype in ('c', 'f') and conrelid <> 0 and connamespace::regnamespace::text = any($1)
"""

_LONE_KEYS = """
select format('alter table %s drop constraint %I, add primary key (tenant_id, version)', conrelid::regclass, conname)
  from pg_constraint where contype = 'p' and connamespace::regnamespace::text = any($1)
   and (select array_agg(attname::text) from pg_attribute where attrelid = conrelid and attnum = any(conkey))
       = '{tenant_id}'
"""
"""Where a tenant has one row only, a second one would be refused for that reason."""

_VALUES = {
    "text": "'value {n}'",
    "character varying": "'value {n}'",
    "smallint": "{n}",
    "integer": "{n}",
    "bigint": "{n}",
    "double precision": "{n}",
    "numeric": "{n}",
    "boolean": "false",
    "bytea": "decode(lpad('{n}', 64, '0'), 'hex')",
    "jsonb": "'{{}}'",
    "timestamp with time zone": "now()",
    "interval": "interval '{n} seconds'",
    "uuid": "gen_random_uuid()",
    "text[]": "'{{}}'",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view, by its qualified name."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    key: tuple[str, ...]
    kind: str
    """As in pg_class.relkind."""

    @property
    def has_tenant(self) -> bool:
        return "tenant_id" in self.columns

    def row(self, tenant: str, n: int) -> str:
        """Values for all columns; another n gives another row."""
        return ", ".join(
            f"'{tenant}'" if column == "tenant_id" else _VALUES[kind].format(n=n)
            for column, kind in zip(self.columns, self.types, strict=True)
        )

    def words(self) -> dict[str, str]:
        """What an attack's text may name."""
        return {
            "table": self.name,
            "columns": ", ".join(self.columns),
            "key": ", ".join(self.key),
            "same_key": " and ".join(f"mine.{column} = other.{column}" for column in self.key),
            "their_row": self.row(THEM, 9),
            "our_row": self.row(US, 9),
            # where a tenant has one row only, theirs is there already
            "a_strangers_row": self.row(f"{THEM}-2", 9),
            "moved": ", ".join(f"'{THEM}'" if column == "tenant_id" else column for column in self.columns),
            "us": US,
            "them": THEM,
        }


async def tables(connection: Connection) -> list[Table]:
    """All there are, views too."""
    return [
        Table(row["name"], tuple(row["columns"]), tuple(row["types"]), tuple(row["key"] or ()), row["kind"])
        for row in await connection.fetch(_TABLES, SCHEMAS)
    ]


async def prepare(url: str) -> None:
    """Fill every table, and take away every other reason for a refusal: what is refused is refused by the wall."""
    connection: Connection = await asyncpg.connect(url)
    try:
        for reasons in (_CONSTRAINTS, _LONE_KEYS):
            for row in await connection.fetch(reasons, SCHEMAS):
                await connection.execute(row[0])
        await connection.execute("set session_replication_role = replica")  # no triggers while we fill
        for table in await tables(connection):
            if table.has_tenant and table.kind in ("r", "p"):
                rows = ", ".join(
                    f"({table.row(who, n)})" for n, who in enumerate((US, US, THEM, THEM), start=1)
                )
                await connection.execute(
                    f"insert into {table.name} ({', '.join(table.columns)}) values {rows} on conflict do nothing"
                )
        await connection.execute("analyze")
    finally:
        await connection.close()


async def theirs(connection: Connection, every: list[Table]) -> dict[str, list[str]]:
    """Everybody else's rows, by table, as a superuser sees them."""
    return {
        table.name: [
            row[0]
            for row in await connection.fetch(
                f"select t::text from {table.name} t where tenant_id <> '{US}' order by 1"
            )
        ]
        for table in every
        if table.has_tenant and table.kind in ("r", "p")
    }


async def become(connection: Connection, role: str, claims: str) -> None:
    """Be this role with these claims until the transaction ends."""
    await connection.execute(
        "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", role, claims
    )


@asynccontextmanager
async def undone(connection: Connection) -> AsyncIterator[None]:
    """A transaction of which nothing stays."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()
        await connection.execute("deallocate all")  # which no rollback does
