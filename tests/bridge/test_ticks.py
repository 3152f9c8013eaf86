"""What a call costs in ticks of trio's scheduler: a figure without noise, and the delay of a call under load."""

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import trio
import trio.abc

from actors.bridge import in_asyncio, open_loop
from actors.bridge.loop import Engine


@dataclass(eq=False)
class Ticks(trio.abc.Instrument):
    count: int = 0

    def before_io_wait(self, timeout: float) -> None:
        del timeout
        self.count += 1


@contextmanager
def counted_ticks() -> Iterator[Ticks]:
    ticks = Ticks()
    trio.lowlevel.add_instrument(ticks)
    yield ticks
    trio.lowlevel.remove_instrument(ticks)


async def keep_trio_busy() -> None:
    while True:
        await trio.lowlevel.checkpoint()


async def ticks_while_trio_is_busy(call: Callable[[], Awaitable[object]]) -> int:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_trio_busy)
        ticks = await ticks_of(call)
        nursery.cancel_scope.cancel()
    return ticks


async def ticks_of(call: Callable[[], Awaitable[object]]) -> int:
    """The most ticks that any of ten calls took."""
    counts = []
    for _ in range(10):
        with counted_ticks() as ticks:
            await call()
        counts.append(ticks.count)
    return max(counts)


async def ticks_of_a_round_trip(engine: Engine) -> int:
    """One request and its answer over a socket, through asyncio streams, while trio is busy with other tasks.

    The peer answers by hand and at once, so the answer waits for the loop and never the loop for the answer.
    """
    ours, peer = socket.socketpair()
    with peer:
        async with open_loop(engine):
            reader, writer = await in_asyncio(functools.partial(asyncio.open_connection, sock=ours))

            async def round_trip() -> None:
                writer.write(b"ping")
                assert peer.recv(4) == b"ping"
                peer.send(b"pong")
                assert await reader.readexactly(4) == b"pong"

            async def close() -> None:
                writer.close()
                await writer.wait_closed()

            ticks = await ticks_while_trio_is_busy(functools.partial(in_asyncio, round_trip))
            await in_asyncio(close)
    return ticks


async def test_a_socket_round_trip_takes_at_most_five_ticks() -> None:
    assert await ticks_of_a_round_trip("fast") <= 5


async def test_stock_needs_more_or_the_fast_engine_has_no_purpose() -> None:
    assert await ticks_of_a_round_trip("stock") > await ticks_of_a_round_trip("fast")


async def nothing() -> None:
    pass


@pytest.mark.parametrize("ticks_of_it", [ticks_of, ticks_while_trio_is_busy])
async def test_an_empty_call_takes_at_most_two_ticks(
    ticks_of_it: Callable[[Callable[[], Awaitable[object]]], Awaitable[int]],
) -> None:
    async with open_loop("fast"):
        assert await ticks_of_it(functools.partial(in_asyncio, nothing)) <= 2
