"""The clock that never jumps, and the notice board that nobody misses a change of."""

from __future__ import annotations

import time

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.clock import Clock
from actors.core.states import Absent, Authorized, PendingQr
from actors.published import Published, Snapshot
from tests.core.examples import LOGIN


async def test_the_clock_begins_at_the_wall_s_time() -> None:
    for _ in range(2):
        assert Clock().now() == pytest.approx(time.time(), abs=10)
        await trio.sleep(3600)


async def test_the_clock_goes_on_with_trio_s() -> None:
    clock = Clock()
    began = clock.now()
    await trio.sleep(3600)

    assert clock.now() == pytest.approx(began + 3600, abs=1e-6)


async def test_a_jump_of_the_machine_s_clock_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    began = clock.now()
    monkeypatch.setattr(time, "time", lambda: began + 1e6)

    assert clock.now() == began


async def test_a_deadline_is_never_reached_too_early() -> None:
    clock = Clock()
    assert clock.to_trio(clock.now()) == trio.current_time()
    for span in (0.1, 1 / 3, 7.7, 599.9, 86_400.123):
        moment = clock.now() + span
        await trio.sleep_until(clock.to_trio(moment))

        assert clock.now() >= moment


async def test_before_anything_is_published_there_is_nothing() -> None:
    assert Published().snapshot == Snapshot(Absent(), version=0, since=0.0, sequence=0)


async def test_every_publication_is_numbered() -> None:
    published = Published()
    published.publish(PendingQr(LOGIN), 1, 10.0)
    published.publish(Authorized(4242), 2, 20.0)

    assert published.snapshot == Snapshot(Authorized(4242), version=2, since=20.0, sequence=2)


async def test_all_who_wait_see_the_change(nursery: trio.Nursery) -> None:
    published = Published()
    seen: list[int] = []

    async def watch() -> None:
        seen.append((await published.wait_newer(0)).sequence)

    for _ in range(3):
        nursery.start_soon(watch)
    await wait_all_tasks_blocked()
    assert seen == []

    published.publish(Absent(), 0, 0.0)
    await wait_all_tasks_blocked()
    assert seen == [1, 1, 1]


async def test_a_change_that_has_been_is_not_waited_for() -> None:
    published = Published()
    published.publish(Absent(), 0, 0.0)
    published.publish(Authorized(4242), 1, 0.0)

    with trio.move_on_after(0):
        assert (await published.wait_newer(1)).sequence == 2
        return
    pytest.fail("it waited")


async def test_a_watcher_that_is_not_ready_gets_the_latest(nursery: trio.Nursery) -> None:
    published = Published()
    seen: list[int] = []

    async def watch() -> None:
        sequence = 0
        while True:
            sequence = (await published.wait_newer(sequence)).sequence
            seen.append(sequence)

    nursery.start_soon(watch)
    await wait_all_tasks_blocked()
    for _ in range(5):
        published.publish(Absent(), 0, 0.0)
    await wait_all_tasks_blocked()

    assert seen == [5]
