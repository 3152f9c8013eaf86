"""K3: SIGINT and SIGTERM end a process that is busy in asyncio code, with the code it was told, and never hang."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from actors.bridge import stop_signals
from actors.bridge.loop import Engine

TOLD = 7
PATIENCE = 60

both_signals = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@contextmanager
def stoppable(engine: Engine, *, caught: bool) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.bridge.stoppable", engine, "caught" if caught else "uncaught"]
    with subprocess.Popen(
        [*command, str(TOLD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert heard(process) == "ready"
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@both_signals
def test_a_stop_signal_ends_a_busy_process_with_the_code_it_was_told(
    engine: Engine, number: signal.Signals
) -> None:
    with stoppable(engine, caught=True) as process:
        process.send_signal(number)
        assert heard(process) == number.name
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == TOLD, errors


def test_later_signals_do_not_break_a_shutdown_under_way(engine: Engine) -> None:
    with stoppable(engine, caught=True) as process:
        process.send_signal(signal.SIGTERM)
        assert heard(process) == "SIGTERM"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate("go\n", timeout=PATIENCE)
        assert process.returncode == TOLD, errors


def test_an_uncaught_interrupt_ends_the_fast_engine_too() -> None:
    """The stock one hangs now and then: the interrupt ends its loop, under tasks that still wait for it."""
    with stoppable("fast", caught=False) as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode not in (0, TOLD)
        assert "KeyboardInterrupt" in errors


@both_signals
async def test_a_stop_signal_is_named(number: signal.Signals) -> None:
    with stop_signals() as wait_for_stop_signal:
        signal.raise_signal(number)
        assert await wait_for_stop_signal() == number.name
        signal.raise_signal(signal.SIGTERM)
        assert await wait_for_stop_signal() == number.name


async def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]
    with stop_signals():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)] == before


async def test_nobody_waits_in_vain_for_a_signal_that_came_early() -> None:
    with stop_signals() as wait_for_stop_signal:
        signal.raise_signal(signal.SIGTERM)
        await trio.lowlevel.checkpoint()
        assert await wait_for_stop_signal() == "SIGTERM"
