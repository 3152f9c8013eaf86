"""`python -m ops.bench.first_qr`: the first answer of /api/qr/start beside a bare Telethon script, same DC, in turn.

Bare means: connect with a fresh key, export a login token, disconnect. It is measured twice, as Telethon comes and
with the service's own big-number arithmetic, so that neither flatters us. Figures are wall times; quote the ratios.
"""

from __future__ import annotations

import asyncio
import builtins
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gmpy2
from telethon import TelegramClient
from telethon.network import authenticator
from telethon.sessions import MemorySession
from telethon.tl.functions.auth import ExportLoginTokenRequest

from ops.launch.api import Api
from ops.launch.home import Home
from ops.launch.stack import running
from ops.sandbox import client
from ops.sandbox.description import SandboxDescription

ROUNDS = 20


def timed(call: Callable[[], object]) -> float:
    """Seconds that the call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def fast_pow(base: int, exponent: int, modulus: int) -> int:
    """What the service puts in the place of `pow` in Telethon's key exchange."""
    return int(gmpy2.powmod(base, exponent, modulus))


async def bare(description: SandboxDescription) -> None:
    """What a script would do for its first QR."""
    session = client.home(MemorySession(), description)
    telegram = TelegramClient(session, description.api_id, description.api_hash)
    await telegram.connect()
    await telegram(ExportLoginTokenRequest(description.api_id, description.api_hash, []))
    await telegram.disconnect()


def measure(api: Api, description: SandboxDescription, rounds: int) -> dict[str, list[float]]:
    """Each of the three, in turn, `rounds` times."""
    times: dict[str, list[float]] = {"bare Telethon": [], "bare, fast pow": [], "POST /api/qr/start": []}
    loop = asyncio.new_event_loop()
    for number in range(-2, rounds):  # two rounds to warm up
        authenticator.pow = builtins.pow
        plain = timed(lambda: loop.run_until_complete(bare(description)))
        authenticator.pow = fast_pow
        fast = timed(lambda: loop.run_until_complete(bare(description)))
        ours = timed(lambda number=number: api.start_qr("bench", f"round{number + 2}"))  # type: ignore[misc]
        if number >= 0:
            for name, seconds in zip(times, (plain, fast, ours), strict=True):
                times[name].append(seconds)
    loop.close()
    return times


def main() -> None:
    """Bring a stack up in a temporary folder, measure, and print medians and ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder), sandbox=True)
        with running(home, sandbox=True) as stack:
            description = SandboxDescription.from_json(home.sandbox_file.read_text())
            client.trust(description)
            times = measure(Api(stack.run), description, rounds)
    ours = statistics.median(times["POST /api/qr/start"])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{name:20} median {median * 1000:6.1f} ms   ours/this {ours / median:5.2f}")


if __name__ == "__main__":
    main()
