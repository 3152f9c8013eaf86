"""What is seen of a database by who may only look: its version, its history, and whether our statements fit it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import trio

from actors.adapters.postgres import open_postgres
from actors.adapters.schema import Schema
from actors.bridge import open_loop
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Absent
from actors.errors import StoreRefused, StoreUnavailable
from actors.ports import Saved
from ops.embedded import Postgres
from ops.migrate import MIGRATIONS, MigrationError, missing
from tests.stores import Database, run_sql, scratch_directory, url_for

ON_DISK = {path.name[:14]: path.name[15:-4] for path in MIGRATIONS.glob("*.sql")}

Result = TypeVar("Result")


async def look(url: str, at: Callable[[Schema], Awaitable[Result]]) -> Result:
    async with open_loop(), open_postgres(url, on_denied=lambda: None, read_only=True) as store:
        return await at(Schema(store.database))


async def test_a_store_that_is_opened_to_read_reads_and_refuses_to_save(database: Database) -> None:
    key = SessionKey("demo", "main")
    async with open_loop(), open_postgres(database.app_url, on_denied=pytest.fail, read_only=True) as store:
        assert await store.load(key) is None
        with pytest.raises(StoreUnavailable):
            await store.save(key, Saved(to_record(Absent()), 1, 1.0), None)
        assert await store.page(None, None, 10) == []


async def test_an_owner_is_shown_the_history_and_the_services_login_is_not(database: Database) -> None:
    assert await look(database.admin_url, Schema.applied) == ON_DISK
    assert await look(database.app_url, Schema.applied) is None


async def test_every_statement_of_ours_fits_a_database_with_all_migrations(database: Database) -> None:
    assert await look(database.app_url, Schema.misfit) is None
    assert (await look(database.app_url, Schema.server))[1] >= 15


async def test_a_database_without_history_has_applied_nothing_and_does_not_fit(
    database: Database, bare_database: str
) -> None:
    bare = url_for(database.app_url, database=bare_database.rpartition("/")[2])

    assert await look(bare_database, Schema.applied) == {}
    assert "does not exist" in str(await look(bare, Schema.misfit))


@pytest.mark.parametrize(
    "change",
    [
        "alter table public.telegram_sessions drop column desired_state cascade",
        "alter table usm.webhooks rename to hooks",
    ],
)
async def test_whatever_a_statement_of_ours_does_not_find_is_named(database: Database, change: str) -> None:
    await trio.to_thread.run_sync(run_sql, database.admin_url, change)

    assert "does not exist" in str(await look(database.app_url, Schema.misfit))


async def test_a_server_without_our_roles_says_how_to_make_them() -> None:
    with scratch_directory() as parent, Postgres(parent / "server", durable=False) as fresh:
        with pytest.raises(ExceptionGroup) as unmade:
            await look(fresh.url, Schema.server)
        await trio.to_thread.run_sync(
            run_sql, fresh.url, "create role service_role; create role stranger login password 'long enough'"
        )
        with pytest.raises(ExceptionGroup) as strange:
            await look(fresh.url_for("stranger", "long enough", "postgres"), Schema.server)

    for refused in (unmade, strange):
        assert refused.group_contains(StoreRefused, match=r"make the roles with python -m ops\.migrate")


def test_what_a_database_lacks_is_named_in_order_and_what_it_has_too_much_is_refused() -> None:
    first, *others = sorted(ON_DISK)

    assert missing(ON_DISK) == []
    assert missing({first: ON_DISK[first]}) == [f"{version}_{ON_DISK[version]}.sql" for version in others]
    with pytest.raises(MigrationError, match="20990101000000_tomorrow, which is not here"):
        missing(ON_DISK | {"20990101000000": "tomorrow"})
