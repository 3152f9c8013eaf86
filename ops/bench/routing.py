"""`python -m ops.bench.routing [asks]`: what an ask costs that another node has to answer, beside a local one.

Two processes on this machine, one durable PostgreSQL, one Valkey. The owner's sessions are mailboxes that answer at
once, so that what is measured is the way. Then the doorbell loses rings, Valkey stops, and PostgreSQL stops.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import trio

from actors.adapters.doorbell import RedisDoorbell
from actors.adapters.inbox import PostgresPost
from actors.adapters.keyring import KeyringFile, add_key
from actors.adapters.ownership import PostgresArbiter
from actors.adapters.postgres import open_postgres
from actors.adapters.redis import open_redis
from actors.adapters.sealing import Seals
from actors.bridge import in_asyncio, open_loop
from actors.core.messages import Command, StartQr
from actors.core.names import SessionKey
from actors.core.states import Absent, Authorized, State
from actors.errors import StoreUnavailable
from actors.mailbox import Mailbox
from actors.post import Bell, Doorbell
from actors.published import Snapshot
from ops.embedded import Postgres, Valkey
from ops.migrate import bootstrap, migrate
from supervisor.routing.asking import Asking
from supervisor.routing.office import PostOffice

ASKS = 1000
AT_ONCE = 16
PATIENCE = 25.0
OWNER = "owner"


class Mailboxes:
    """A local directory whose sessions answer at once, and count how often they were asked."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._mailboxes: dict[SessionKey, Mailbox] = {}
        self._asked: dict[str, int] = {}

    @property
    def running(self) -> Mapping[SessionKey, object]:
        return self._mailboxes

    async def ask(self, key: SessionKey, command: Command, within: float) -> State:
        if key not in self._mailboxes:
            mailbox = self._mailboxes[key] = Mailbox()
            self._nursery.start_soon(self._work, mailbox)
        return await self._mailboxes[key].ask(command, within)

    async def look(self, _: SessionKey) -> Snapshot:
        """How often the one was asked that was asked most often, as a version."""
        return Snapshot(Absent(), max(self._asked.values(), default=0), float(len(self._asked)))

    async def wait_change(self, key: SessionKey, _sequence: int, _within: float) -> Snapshot:
        return await self.look(key)

    async def page(self, *_: object) -> list[tuple[SessionKey, Snapshot]]:
        return []

    async def _work(self, mailbox: Mailbox) -> None:
        while True:
            envelope = await mailbox.receive()
            assert isinstance(envelope.message, StartQr)  # noqa: S101 - nothing else is asked here
            login_id = envelope.message.login_id
            self._asked[login_id] = self._asked.get(login_id, 0) + 1
            envelope.answer(Authorized(len(self._asked)))


class Forgetful:
    """A doorbell that loses every fourth ring."""

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell
        self._rings = 0

    async def ring(self, node_id: str, bell: Bell) -> bool:
        self._rings += 1
        return True if self._rings % 4 == 0 else await self._doorbell.ring(node_id, bell)

    async def listen(self, node_id: str, heard: Callable[[Sequence[Bell]], None]) -> None:
        await self._doorbell.listen(node_id, heard)


@asynccontextmanager
async def node(
    node_id: str, database: str, redis: str, keyring: Path, *, forgetful: bool = False
) -> AsyncIterator[tuple[PostOffice, Mailboxes]]:
    """A node with everything but Telegram."""
    async with (
        open_loop(),
        open_postgres(database, on_denied=denied) as store,
        open_redis(redis) as client,
        open_redis(redis, pool_size=1) as listening,
        trio.open_nursery() as nursery,
    ):
        me = await PostgresArbiter(store.database).boot(node_id, "bench")
        post = PostgresPost(store.database, Seals("bench", KeyringFile(keyring)))
        bell: Doorbell = RedisDoorbell(client, listening)
        directory = Mailboxes(nursery)
        office = PostOffice(me, post, Forgetful(bell) if forgetful else bell, directory, lambda _: None)
        async with office.open():
            await trio.sleep(0.5)
            yield office, directory
        nursery.cancel_scope.cancel()


def denied() -> None:
    raise AssertionError("row level security refused a statement")


async def serve(*arguments: str) -> None:
    """Be the owner until killed."""
    database, redis, keyring, *options = arguments
    async with node(OWNER, database, redis, Path(keyring), forgetful="forgetful" in options):
        print("ready", flush=True)
        await trio.sleep_forever()


@asynccontextmanager
async def owner(*arguments: str) -> AsyncIterator[None]:
    """The owner in a process of its own."""
    command = [sys.executable, "-m", "ops.bench.routing", "serve", *arguments]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        if process.stdout is not None:
            await process.stdout.receive_some()
        yield
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


Ask = Callable[[SessionKey, Command], Awaitable[State]]


async def timed(ask: Ask, name: str, asks: int, at_once: int) -> list[float]:
    """Milliseconds of each ask, sorted."""
    took: list[float] = []

    async def some(of: int) -> None:
        for number in range(of, asks, at_once):
            began = time.perf_counter()
            await ask(SessionKey("bench", f"app-{of}"), StartQr(f"{name}-{number}", 1.0))
            took.append((time.perf_counter() - began) * 1000)

    async with trio.open_nursery() as nursery:
        for of in range(at_once):
            nursery.start_soon(some, of)
    return sorted(took)


async def show(ask: Ask, name: str, asks: int, at_once: int = 1) -> None:
    """Print how long they took."""
    began = time.perf_counter()
    took = await timed(ask, name, asks, at_once)
    rate = asks / (time.perf_counter() - began)
    p50, p99 = statistics.median(took), took[int(0.99 * len(took)) - 1]
    print(
        f"{name:<34} p50 {p50:8.2f} ms, p99 {p99:8.2f} ms, slowest {took[-1]:8.2f} ms, {rate:7.0f}/s",
        flush=True,
    )


def remotely(remote: Asking) -> Ask:
    return lambda key, command: remote.ask(OWNER, key, command, PATIENCE)


async def quiet(database: str, redis: str, keyring: str, asks: int) -> None:
    async with (
        owner(database, redis, keyring),
        node("asker", database, redis, Path(keyring)) as (office, here),
    ):
        await show(lambda key, command: here.ask(key, command, PATIENCE), "local", asks)
        ask = remotely(office.remote)
        await timed(ask, "warm up", 20, 1)
        await show(ask, "remote, one at a time", asks)
        await show(ask, f"remote, {AT_ONCE} at once", asks, AT_ONCE)


async def forgetful(database: str, redis: str, keyring: str, asks: int) -> None:
    async with (
        owner(database, redis, keyring, "forgetful"),
        node("asker", database, redis, Path(keyring), forgetful=True) as (office, _),
    ):
        await show(remotely(office.remote), "remote, every 4th ring lost", asks, AT_ONCE)
        counted = await office.remote.look(OWNER, SessionKey("bench", "app-0"))
        print(f"  of {asks} asks {counted.since:.0f} were carried out, each at most {counted.version} times")


async def without_stores(
    database: str,
    redis: str,
    keyring: str,
    stop_valkey: Callable[[], None],
    stop_postgres: Callable[[], None],
) -> None:
    async with owner(database, redis, keyring), node("asker", database, redis, Path(keyring)) as (office, _):
        ask = remotely(office.remote)
        await timed(ask, "warm up", 20, 1)
        await trio.to_thread.run_sync(stop_valkey)
        await show(ask, "remote, Valkey stopped", 20)
        await show(ask, f"remote, Valkey stopped, {AT_ONCE} at once", 20 * AT_ONCE, AT_ONCE)
        await trio.to_thread.run_sync(stop_postgres)
        began = time.perf_counter()
        try:
            await ask(SessionKey("bench", "app"), StartQr("none", 1.0))
        except StoreUnavailable as outage:
            print(
                f"remote, PostgreSQL stopped: {type(outage).__name__} after {time.perf_counter() - began:.2f} s"
            )


async def left_in_post(url: str) -> int:
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval("select count(*) from usm.inbox")
        return count
    finally:
        await connection.close()


async def run(postgres: Postgres, valkey: Valkey, folder: Path, asks: int) -> None:
    database, redis, keyring = (
        postgres.url_for("usm_app", "bench", "postgres"),
        valkey.url,
        folder / "keyring",
    )
    add_key(keyring, "one")
    arguments = database, redis, str(keyring)
    await quiet(*arguments, asks)
    await forgetful(*arguments, asks)
    async with open_loop():
        print(f"  left in the post: {await in_asyncio(left_in_post, postgres.url)}")
    await without_stores(*arguments, valkey.stop, postgres.stop)


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        trio.run(serve, *sys.argv[2:])
        return
    asks = int(sys.argv[1]) if len(sys.argv) > 1 else ASKS
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        with Postgres(here / "postgres") as postgres, Valkey(here / "valkey") as valkey:
            bootstrap(postgres.url, "bench")
            migrate(postgres.url)
            trio.run(run, postgres, valkey, here, asks)


if __name__ == "__main__":
    main()
