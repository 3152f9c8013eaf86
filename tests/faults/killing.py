"""Processes that write a session file again and again and are killed at any moment, and what is there afterwards."""

from __future__ import annotations

import ctypes
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerContext
from pathlib import Path

from telethon.sessions import SQLiteSession

from actors.adapters.telegram.live_session import CHANNELS_KEPT
from actors.adapters.telegram.session_file import SessionFiles
from actors.core.credential import Credential, UpdatePoint
from actors.core.names import SessionKey
from tests.contracts.credentials import credential

KEY = SessionKey("tenant-a", "app-1")
LONGEST_LIFE = 4
"""In writes, as long as one took us: so a writer dies in its first one or a few later, on whatever disk."""

A_MOMENT = 400
"""So small a part of the longest life is waited within a write: bytes are put in a file faster than anything else.

A service that wrote into the file itself was caught by 3 to 6 of 100 kills.
"""

PATIENCE = 60.0


@dataclass(slots=True)
class Tally:
    """What was found after the kills."""

    kills: int = 0
    unusable: int = 0
    lost: int = 0
    """Files that were older than what their writer had said was safe."""
    writes: int = 0
    leftovers: int = 0
    """Unfinished files, all of which were swept away."""
    unswept: int = 0


def login(number: int) -> Credential:
    """One of many, all other in every page of its file, and with as many channels as a session may have."""
    channels = (UpdatePoint(10**9 + each, number, 0, 0, 0, number) for each in range(CHANNELS_KEPT))
    return replace(credential(number), updates=(UpdatePoint(0, number, 0, 1_795_000_000, 3), *channels))


def write_for_ever(folder: Path, first: int, begun: ctypes.c_int64, safe: ctypes.c_int64) -> None:
    """Write one login after another; each number is another auth key. The file is locked, as in the service."""
    files = SessionFiles(folder)
    files.claim(KEY)
    number = first
    while True:
        begun.value = number
        files.write(KEY, login(number))
        safe.value = number
        number += 1


def kill_writers(kills: int, folder: Path, seed: int) -> Iterator[Tally]:
    """Kill so many writers, one after another; the tally after each."""
    chance, tally = random.Random(seed), Tally()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    files, number = SessionFiles(folder), 1
    for _ in range(5):
        began = time.monotonic()
        files.write(KEY, login(number))
        longest = LONGEST_LIFE * (time.monotonic() - began)
    for _ in range(kills):
        within = bool(chance.getrandbits(1))
        safe = _live_and_die(context, folder, number, chance.uniform(0, longest), within=within)
        found = number_in(files)
        tally.kills += 1
        tally.unusable += found is None
        tally.lost += found is not None and found < safe
        tally.writes += max(safe - number, 0)
        tally.leftovers += files.sweep()
        tally.unswept += len(list(files.path(KEY).parent.iterdir())) - 1
        number = safe if found is None else found
        yield tally


def _live_and_die(
    context: ForkServerContext, folder: Path, number: int, seconds: float, *, within: bool
) -> int:
    """Let a writer begin after `number`, and kill it; the last number that it said was safe.

    After so many seconds, or then `within` the next write, where there is most to find.
    """
    begun, safe = context.RawValue(ctypes.c_int64, number), context.RawValue(ctypes.c_int64, number)
    writer = context.Process(target=write_for_ever, args=(folder, number + 1, begun, safe))
    writer.start()
    give_up = time.monotonic() + PATIENCE
    while begun.value == number:
        assert writer.is_alive(), "the writer ended by itself"
        assert time.monotonic() < give_up, "the writer does not begin"
        time.sleep(0.001)
    time.sleep(seconds)
    if within:
        while not list((folder / KEY.tenant_id).glob(".*")):
            assert time.monotonic() < give_up, "the writer does not write"
        time.sleep(seconds / A_MOMENT)
    assert writer.is_alive(), "the writer ended by itself"
    writer.kill()
    writer.join()
    writer.close()
    return int(safe.value)


def number_in(files: SessionFiles) -> int | None:
    """Which login is in the file, all of it, for us and for plain Telethon alike; None if it is none."""
    found = files.read(KEY)
    if found is None or not found.updates:
        return None
    number = found.updates[0].pts
    if found != login(number):
        return None
    with closing(SQLiteSession(str(files.path(KEY)))) as telethon:
        states = dict(telethon.get_update_states())
        key = None if telethon.auth_key is None else telethon.auth_key.key.hex()
    same = key == found.auth_key.reveal() and telethon.dc_id == found.dc_id and states[0].pts == number
    return number if same else None
