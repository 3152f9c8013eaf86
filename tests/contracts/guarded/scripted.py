"""A guard that a test tells what to say, and what it was told; a tap on the way to a data centre; a few words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

from actors.core import messages as m
from actors.core.states import Reason
from actors.guard import Link
from tests.contracts.telegram_bench import SOON, SandboxBench
from tests.contracts.telegram_steps import of

FAST = 0.9
"""Seconds; whatever takes longer has waited for something that will not come."""


class ScriptedGuard:
    """Lets everything happen until it is told otherwise. `told` is what it was asked and told, in its order.

    Like a real one it drops its link once that has ended.
    """

    disconnect_delay = 15
    unacknowledged = 8.0

    def __init__(self) -> None:
        self.told: list[str] = []
        self.lets_open = True
        self.lets_pass = True
        self.hesitates = False
        self.link: Link | None = None

    async def open(self, link: Link) -> bool:
        self.told.append("open")
        self.link = link
        if self.hesitates:
            await asyncio.get_running_loop().create_future()
        return self.lets_open

    def passes(self) -> bool:
        return self.lets_pass

    def pong_came(self) -> None:
        self.told.append("pong")

    def closed(self) -> None:
        self._end("closed")

    def broken(self) -> None:
        self._end("broken")

    def _end(self, word: str) -> None:
        self.told.append(word)
        if self.link is not None:
            self.link.abort()

    @property
    def ends(self) -> list[str]:
        """How connections ended."""
        return [word for word in self.told if word in ("closed", "broken")]

    async def hears(self, word: str, times: int = 1) -> None:
        """Wait until it has been told this so often."""
        with trio.fail_after(SOON):
            while self.told.count(word) < times:
                await trio.sleep(0.001)


class Tap:
    """Passes bytes on to a data centre, counts what the client says, and notes how it ends: `fin` or `reset`."""

    def __init__(self) -> None:
        self.port = 0
        self.clients = 0
        self.heard = 0
        self.ends: list[str] = []
        self.keeps_open = False
        """Whether to keep from the client that the data centre has closed."""
        self.slams = False
        """Whether to close what clients open, before they have said anything."""

    async def ending(self) -> str:
        """How the next client ends whose end nobody has asked for."""
        with trio.fail_after(SOON):
            while not self.ends:
                await trio.sleep(0.001)
        return self.ends.pop(0)

    async def serve(self, client: trio.SocketStream, port: int) -> None:
        self.clients += 1
        if self.slams:
            await client.aclose()
            return
        async with (
            client,
            await trio.open_tcp_stream("127.0.0.1", port) as centre,
            trio.open_nursery() as both,
        ):
            both.start_soon(self._there, client, centre)
            await self._back(centre, client)
            both.cancel_scope.cancel()

    async def _there(self, client: trio.SocketStream, centre: trio.SocketStream) -> None:
        try:
            async for words in client:
                self.heard += len(words)
                await centre.send_all(words)
        except trio.BrokenResourceError:
            self.ends.append("reset")
        else:
            self.ends.append("fin")
        await centre.send_eof()

    async def _back(self, centre: trio.SocketStream, client: trio.SocketStream) -> None:
        try:
            async for words in centre:
                await client.send_all(words)
        except trio.BrokenResourceError:
            pass
        if self.keeps_open:
            await trio.sleep_forever()


@asynccontextmanager
async def open_tap(port: int) -> AsyncIterator[Tap]:
    """A tap on the way to this port of loopback, for the length of the block."""
    tap = Tap()

    async def serve(client: trio.SocketStream) -> None:
        await tap.serve(client, port)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        tap.port = listener.socket.getsockname()[1]
        yield tap
        nursery.cancel_scope.cancel()


def delays(bench: SandboxBench) -> set[int | None]:
    """The delays with which connections began."""
    return {words.delay for words in bench.sandbox.first_words}


def not_owned(signal: m.Signal) -> bool:
    """Whether it is a connection that the guard did not let be."""
    return of(m.Unreachable, signal).reason is Reason.NOT_OWNED


def ask_link(guard: ScriptedGuard, wish: str) -> Callable[[], object]:
    """What a guard does with its link."""
    link = guard.link
    assert link is not None
    ask: Callable[[], object] = getattr(link, wish)
    return ask
