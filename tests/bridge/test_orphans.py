"""K1: an asyncio failure that nobody awaits is reported and counted, and ends nothing."""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable

import pytest
import trio
import trio.testing

from actors.bridge import in_asyncio, open_loop
from actors.bridge.loop import Engine

Reports = list[tuple[str, BaseException | None]]


class Lost(Exception):
    pass


def fail(*_secrets: str) -> None:
    raise Lost


async def a_callback_that_raises() -> None:
    asyncio.get_running_loop().call_soon(fail, "hunter2")


async def a_timer_that_raises() -> None:
    asyncio.get_running_loop().call_later(0, fail, "hunter2")


async def a_task_nobody_awaits() -> None:
    async def run() -> None:
        fail()

    task = asyncio.ensure_future(run())
    await asyncio.wait([task])
    del task
    gc.collect()


async def a_future_nobody_awaits() -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_exception(Lost())
    del future
    gc.collect()


async def a_protocol_that_raises() -> None:
    class Clumsy(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            fail(data.decode())

        def connection_lost(self, _exc: Exception | None) -> None:
            lost.set()

    ours, theirs = socket.socketpair()
    lost = asyncio.Event()
    await asyncio.get_running_loop().create_connection(Clumsy, sock=ours)
    theirs.send(b"hunter2")
    await lost.wait()
    theirs.close()


async def a_reader_that_raises() -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    read = loop.create_future()

    def fail_once() -> None:
        loop.remove_reader(ours)
        read.set_result(None)
        fail()

    loop.add_reader(ours, fail_once)
    theirs.send(b"x")
    await read
    ours.close()
    theirs.close()


WAYS_TO_LOSE = [
    a_callback_that_raises,
    a_timer_that_raises,
    a_task_nobody_awaits,
    a_future_nobody_awaits,
    a_protocol_that_raises,
    a_reader_that_raises,
]


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


@pytest.mark.parametrize("lose", WAYS_TO_LOSE)
async def test_an_orphan_is_reported_and_counted_and_ends_nothing(
    engine: Engine, lose: Callable[[], asyncio.Future[None]]
) -> None:
    reports: Reports = []
    async with open_loop(engine, lambda message, error: reports.append((message, error))) as bridge:
        await in_asyncio(lose)
        await trio.testing.wait_all_tasks_blocked(0.001)
        assert bridge.orphans == 1
        assert await in_asyncio(answer) == 42
    [(message, error)] = reports
    assert isinstance(error, Lost)
    assert message
    assert "hunter2" not in message


async def test_an_orphan_without_an_exception_is_reported_too(engine: Engine) -> None:
    reports: Reports = []
    async with open_loop(engine, lambda message, error: reports.append((message, error))) as bridge:
        bridge.loop.call_exception_handler({"message": "Unclosed thing"})
    assert reports == [("Unclosed thing", None)]


async def test_an_orphan_reporter_that_fails_ends_nothing(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_loop(engine, lambda _message, _error: fail()) as bridge:
        await in_asyncio(a_callback_that_raises)
        await in_asyncio(answer)
        assert bridge.orphans == 1
    assert "on_orphan itself failed" in caplog.text


async def test_orphans_are_logged_when_nobody_is_named(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_loop(engine):
        await in_asyncio(a_callback_that_raises)
        await in_asyncio(answer)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "Nobody awaited an asyncio failure: Exception in callback fail"
    assert record.exc_info
    assert record.exc_info[0] is Lost


async def test_trio_siblings_of_an_orphan_go_on(engine: Engine) -> None:
    finished: list[bool] = []

    async def sibling() -> None:
        await trio.testing.wait_all_tasks_blocked(0.001)
        finished.append(True)

    async with open_loop(engine, lambda _message, _error: None), trio.open_nursery() as nursery:
        nursery.start_soon(sibling)
        for lose in WAYS_TO_LOSE:
            nursery.start_soon(in_asyncio, lose)
    assert finished == [True]
