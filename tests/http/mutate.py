"""Many changed signatures and changed init data at the command line: `ops/mutate --help`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any

from actors.adapters.callback_keys import DerivedCallbackKeys
from actors.core.secret import Secret
from api.caller import Credential
from api.errors import Declined
from api.mini_apps import holder
from api.signatures import prove
from tests.http.credentials import MINI_APPS, callback_body, callback_request, init_data, third_party
from tests.http.mutations import mutated, mutated_init_data

NOW = 1_800_000_000.0
KEYS = DerivedCallbackKeys(
    Secret("one-key-0123456789abcdef0123456789"), Secret("another-key-0123456789abcdef")
)
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class FixedClock:
    """Time that stands still."""

    def now(self) -> float:
        return NOW


def callbacks(seed: int, number: int) -> int:
    """How many of so many changed callbacks were accepted."""
    chance, accepted = Random(seed), 0
    for _ in range(number):
        good = callback_request(chance.choice(KEYS.of("demo")), callback_body("x" * 43), NOW)
        assert prove(good, KEYS, NOW, 300.0).tenant_id == "demo"
        changed = mutated(good, chance)
        try:
            prove(changed, KEYS, NOW, 300.0)
        except Declined:
            continue
        accepted += 1
        sys.stderr.write(f"accepted: {changed}\n")
    return accepted


def init_texts(seed: int, number: int) -> int:
    """How many of so many changed texts of init data were accepted."""
    return asyncio.run(_init_texts(Random(seed), number))


async def _init_texts(chance: Random, number: int) -> int:
    here: Any = SimpleNamespace(mini_apps=MINI_APPS, clock=FixedClock())
    kinds = ((init_data(NOW, start_param="a"), frozenset[str]()), (third_party(NOW), frozenset({"hash"})))
    for text, _ in kinds:
        assert await holder(Credential("tma", Secret(text)), here) is not None
    accepted = 0
    for _ in range(number):
        text, unsigned = chance.choice(kinds)
        changed = mutated_init_data(text, chance, unsigned=unsigned)
        try:
            await holder(Credential("tma", Secret(changed)), here)
        except Declined:
            continue
        accepted += 1
        sys.stderr.write(f"accepted: {changed!r}\n")
    return accepted


def main() -> int:
    """Try them all; the exit code is 1 if any was accepted."""
    parser = argparse.ArgumentParser(prog="ops/mutate", description="Try changed signatures and init data.")
    parser.add_argument("number", type=int, nargs="?", default=1_000_000, help="in all (default: a million)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began, half = time.monotonic(), max(1, arguments.number // 2)
    with ProcessPoolExecutor() as pool:
        tries = [
            pool.submit(kind, arguments.seed + at, min(BATCH, half - at))
            for kind in (callbacks, init_texts)
            for at in range(0, half, BATCH)
        ]
        accepted = sum(one.result() for one in tries)
    sys.stdout.write(
        f"{half} callbacks and {half} texts of init data, changed: {accepted} accepted, "
        f"in {time.monotonic() - began:.0f} s\n"
    )
    return 1 if accepted else 0


if __name__ == "__main__":
    sys.exit(main())
