"""One run of an import: open the stores, plan, write, show, count."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import trio
from prometheus_client import CollectorRegistry, write_to_textfile

from actors.adapters.census import Census
from actors.adapters.keeper import SealingKeeper
from actors.adapters.keyring import KeyringError
from actors.adapters.postgres import PostgresStore, open_postgres
from actors.adapters.redis import RedisTickets, open_redis
from actors.adapters.sealing import Seals
from actors.adapters.vault import PostgresVault
from actors.bridge import open_loop
from actors.core.import_plan import Verdict
from actors.errors import StoreRefused, StoreUnavailable
from ops.imports.place import Place, UsageError
from ops.imports.screen import Screen
from supervisor.imports import WRITERS, Imports, Planned, Wishes
from supervisor.metrics import conversions
from supervisor.standings import Standings


class CannotRun(Exception):
    """The import was not tried, or not to its end. The sentence names the fix; what was imported stays."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def run(place: Place, wishes: Wishes, screen: Screen, *, dry_run: bool) -> int:
    """Import, or only say what would become of each file. Raises CannotRun, UsageError and KeyboardInterrupt."""
    verdicts: list[Verdict] = []  # as far as it got
    _check(place)
    try:
        trio.run(_import, place, wishes, screen, verdicts, dry_run, strict_exception_groups=True)
    except BaseException as error:
        known = _known(_leaf(error))
        screen.show_so_far(verdicts)
        if known is None:
            raise
        raise known from error
    finally:
        if place.metrics_file is not None and not dry_run:
            write_metrics(place.metrics_file, verdicts)
    return screen.show(verdicts)


def _check(place: Place) -> None:
    """Find out before anything is opened what is not there. Raises CannotRun and UsageError."""
    place.database()
    try:
        place.keyring_file()
    except KeyringError as error:
        raise CannotRun("keyring_unusable", str(error)) from None
    if not place.sessions.is_dir():
        raise CannotRun(
            "no_folder", f"{place.sessions} is no folder: name that of the sessions with --sessions-dir"
        )
    if place.metrics_file is not None and not place.metrics_file.parent.is_dir():
        raise CannotRun("no_folder", f"--metrics-file: {place.metrics_file.parent} is no folder")


async def _import(
    place: Place, wishes: Wishes, screen: Screen, verdicts: list[Verdict], dry_run: bool
) -> None:
    async with _open_imports(place, wishes) as imports:
        planned = await _plan(imports, screen)
        if dry_run:
            verdicts.extend(each.verdict for each in planned)
        else:
            await _carry_out(imports, planned, screen, verdicts)


async def _plan(imports: Imports, screen: Screen) -> list[Planned]:
    with screen.progress() as progress:
        task = progress.add_task("reading", total=None)
        return await imports.plan(lambda done, total: progress.update(task, completed=done, total=total))


async def _carry_out(
    imports: Imports, planned: Sequence[Planned], screen: Screen, verdicts: list[Verdict]
) -> None:
    with screen.progress() as progress:
        task = progress.add_task("importing", total=len(planned))

        def done(verdict: Verdict) -> None:
            verdicts.append(verdict)
            progress.advance(task)

        await imports.carry_out(planned, done)


@asynccontextmanager
async def _open_imports(place: Place, wishes: Wishes) -> AsyncIterator[Imports]:
    seals = Seals(place.environment, place.keyring_file())
    keeper = SealingKeeper(seals)
    async with (
        open_loop("fast"),
        open_postgres(place.database(), pool_size=WRITERS, on_denied=_no_matter, keeper=keeper) as store,
    ):
        await _reach(store, place)
        standings = Standings(PostgresVault(store.database, seals), Census(store.database))
        yield Imports(place.sessions, place.network(), store, standings, wishes)


async def _reach(store: PostgresStore, place: Place) -> None:
    await store.ping()
    if place.redis_url is not None:
        async with open_redis(place.redis_url) as redis:
            await RedisTickets(redis).ping()


def _no_matter() -> None:
    """There are no metrics of this here; the refusal itself is raised."""


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _known(error: BaseException) -> Exception | KeyboardInterrupt | None:
    """What an operator can mend, as a sentence."""
    match error:
        case KeyboardInterrupt() | UsageError():
            return error
        case StoreUnavailable():
            fix = "check that it runs, and DATABASE_URL and REDIS_URL; the next run goes on"
            return CannotRun("store_unavailable", f"{error}: {fix}")
        case StoreRefused():
            return CannotRun("store_refused", str(error))
        case asyncpg.InsufficientPrivilegeError():
            return CannotRun(
                "store_refused", "the database's user may not do this: log in as the service does"
            )
        case OSError():
            return CannotRun("no_folder", f"the folder of sessions cannot be read ({error.strerror})")
        case ValueError() if "connection string" in str(error):
            return CannotRun("store_refused", str(error))
        case _:
            return None


def write_metrics(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write `session_conversion_total` for node_exporter's textfile collector, whole or not at all."""
    registry = CollectorRegistry()
    counter = conversions(registry)
    for verdict in verdicts:
        counter.labels(verdict.outcome).inc()
    write_to_textfile(str(path), registry)
