"""`python -m ops.chaos`: supervisors are killed, frozen, rolled and cut off; the data centre tells of duplicates.

Prints a line for each trouble and the figures at the end. Exit code 0 if no auth key was ever in use twice, no
session needs a new login, and no command was lost that had been acknowledged; 1 otherwise.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import asyncpg
from cyclopts import App, Parameter

from ops.chaos.asking import measure_asks
from ops.chaos.faults import ALL, SHORT, Fault, Scene
from ops.chaos.fleet import Fleet, fleet
from ops.chaos.people import TENANT, Books, Commander, app, log_in
from ops.chaos.report import Report

AT_ONCE = 10
COMMANDERS = 3
COMMANDED = 10
"""Sessions of each commander."""

NAMES = {fault.__name__: fault for fault in ALL}

cli = App(help=__doc__)


@cli.default
def main(
    *,
    sessions: Annotated[int, Parameter(help="How many are logged in.")] = 300,
    nodes: Annotated[
        int, Parameter(help="How many supervisors; the last one is on a machine of its own.")
    ] = 3,
    cycles: Annotated[int, Parameter(help="How many troubles, one after the other.")] = 50,
    seed: Annotated[int, Parameter(help="Which order they come in.")] = 0,
    only: Annotated[
        list[str] | None, Parameter(help=f"Which troubles, one after the other: {', '.join(NAMES)}.")
    ] = None,
    short: Annotated[bool, Parameter(help="Six short troubles instead: kills, rolls, outages.")] = False,
    keep: Annotated[Path | None, Parameter(help="Keep data and logs in this folder.")] = None,
) -> None:
    """Run it."""
    chance = random.Random(seed)  # noqa: S311 - trouble must be repeatable
    troubles = list(SHORT) if short else _shuffled(cycles, chance)
    if only:
        unknown = set(only) - NAMES.keys()
        if unknown:
            print(
                f"no such trouble: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}",
                file=sys.stderr,
            )
            sys.exit(2)
        troubles = [NAMES[name] for name in only]
    with tempfile.TemporaryDirectory() as folder:
        place = folder if keep is None else keep
        report = asyncio.run(run(Path(place), nodes, sessions, troubles, chance, quick=short))
    print(report)
    sys.exit(0 if report.is_good else 1)


def _shuffled(cycles: int, chance: random.Random) -> list[Fault]:
    deck = [fault for fault, times in ALL.items() for _ in range(times)]
    troubles: list[Fault] = []
    while len(troubles) < cycles:
        chance.shuffle(deck)
        troubles += deck
    return troubles[:cycles]


async def run(
    folder: Path, nodes: int, sessions: int, troubles: Sequence[Fault], chance: random.Random, *, quick: bool
) -> Report:
    """Log everybody in, make all the trouble, and look at what is left."""
    report, books = Report(sessions, nodes), Books()
    async with fleet(folder, nodes) as here, _database(here) as ask:
        began = time.monotonic()
        for first in range(0, sessions, AT_ONCE):
            people = range(first, min(first + AT_ONCE, sessions))
            await asyncio.gather(*(log_in(here, number) for number in people))
        report.say(f"{sessions} sessions logged in at {nodes} supervisors", time.monotonic() - began)
        scene = Scene(here, sessions, books, chance, ask, quick)
        await _make_trouble(scene, troubles, report)
        report.exits, report.superseded = scene.exits, scene.superseded
        await _reckon(scene, report)
        report.seconds |= await measure_asks(scene)
    return report


async def _make_trouble(scene: Scene, troubles: Sequence[Fault], report: Report) -> None:
    async with asyncio.TaskGroup() as group:
        commanders = [group.create_task(each.command_for_ever()) for each in _commanders(scene)]
        try:
            for fault in troubles:
                await _one(scene, fault, report)
        finally:
            for commander in commanders:
                commander.cancel()


def _commanders(scene: Scene) -> list[Commander]:
    fewer = min(COMMANDED, scene.sessions // (2 * COMMANDERS))
    return [
        Commander(
            scene.fleet,
            scene.books,
            [app(each * fewer + number) for number in range(fewer)],
            random.Random(scene.chance.random()),  # noqa: S311 - as above
        )
        for each in range(COMMANDERS)
    ]


async def _one(scene: Scene, fault: Fault, report: Report) -> None:
    began = time.monotonic()
    try:
        seconds = await fault(scene)
        await scene.fleet.revive()
        await scene.all_back()
        await scene.fleet.ready()
    except (TimeoutError, AssertionError) as failure:
        report.failures.append(f"{fault.__name__}: {failure}")
        seconds = {}
        await scene.fleet.revive()
    duplicates = await scene.fleet.control("GET", "/duplicates")
    report.note(fault.__name__, seconds, len(duplicates), time.monotonic() - began)


async def _reckon(scene: Scene, report: Report) -> None:
    with suppress(TimeoutError):
        await scene.all_back()
    rows = await scene.ask(
        f"select app_id, state, reason, desired_state from telegram_sessions where tenant_id = '{TENANT}'"  # noqa: S608 - our own tenant
    )
    report.duplicates = len(await scene.fleet.control("GET", "/duplicates"))
    report.lost_logins = [f"{row['app_id']}: {row['state']} {row['reason']}" for row in rows if _is_lost(row)]
    report.lost_commands = scene.books.lost({row["app_id"]: row["desired_state"] for row in rows})
    report.acknowledged, report.refused = scene.books.acknowledged, scene.books.refused
    report.seconds["command, through any node"] = scene.books.seconds


def _is_lost(row: Any) -> bool:
    """Whether nobody but a person can get this session back."""
    return row["state"] not in {"AUTHORIZED", "STALE"} or row["reason"] in {
        "credential_missing",
        "credential_tampered",
        "credential_sealed",
    }


@asynccontextmanager
async def _database(here: Fleet) -> Any:
    """Asks the database directly, on a connection of its own for each question."""

    async def ask(statement: str) -> list[Any]:
        connection = await asyncpg.connect(here.postgres.url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    yield ask


if __name__ == "__main__":
    cli()
