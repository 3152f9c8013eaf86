"""The processes: PostgreSQL, Valkey, the sandbox DC, and supervisors on two pretended machines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from ops.chaos.ways import Streams, Way
from ops.embedded import Postgres, Valkey
from ops.launch.children import ChildProcess, inherited_environment
from ops.launch.home import Home, Keys
from ops.launch.stack import APP_ROLE, sandbox_dc
from ops.migrate import bootstrap, migrate
from ops.sandbox.description import DcAddress, SandboxDescription
from supervisor.owner import slots


@dataclass(slots=True)
class Node:
    """One supervisor, the machine that it is on, and its ways to the database and to the data centre."""

    name: str
    machine: str
    environment: dict[str, str]
    log: Path
    to_database: Way
    to_telegram: Way
    child: ChildProcess | None = None
    api_url: str = ""
    starts: int = 0

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self.child is not None  # noqa: S101 - for the type checker
        return self.child.pid

    @property
    def is_up(self) -> bool:
        """Whether its process runs."""
        return self.child is not None and self.child.exit_code is None

    async def start(self) -> None:
        """Start it, and wait until it is up."""
        self.starts += 1
        log = self.log.with_suffix(f".{self.starts}.log")
        self.child = ChildProcess(
            self.name, ["-m", "supervisor"], inherited_environment(**self.environment), log
        )
        ready = json.loads(await asyncio.to_thread(self.child.wait_line))
        self.api_url = f"http://127.0.0.1:{ready['api_port']}"

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def ended(self) -> int:
        """How it ended, once it has."""
        assert self.child is not None  # noqa: S101 - for the type checker
        return await asyncio.to_thread(self.child.wait)


@dataclass(slots=True)
class Fleet:
    """Everything that runs. Moments are seconds since the epoch."""

    postgres: Postgres
    valkey: Valkey
    nodes: list[Node]
    telegram: httpx.AsyncClient
    keys: Keys
    database_url: str
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the sandbox's control."""
        reply = await self.telegram.request(method, path, json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def client(self, node: Node) -> httpx.AsyncClient:
        """For a node's API, as the service."""
        client = self.clients.get(node.api_url)
        if client is None:
            headers = {"Authorization": f"Bearer {self.keys.service_key}"}
            client = httpx.AsyncClient(base_url=node.api_url, headers=headers, timeout=45)
            self.clients[node.api_url] = client
        return client

    @property
    def up(self) -> list[Node]:
        """The nodes whose processes run."""
        return [node for node in self.nodes if node.is_up]

    async def ready(self) -> None:
        """Wait until every node is ready."""
        for node in self.up:
            while not (await self.client(node).get("/readyz")).is_success:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.2)

    async def connected(self) -> dict[str, float]:
        """Since when each phone is connected, as the data centre sees it."""
        lines = await self.control("GET", "/connections")
        return {line["phone"]: line["since"] for line in lines if line["phone"]}

    async def revive(self) -> None:
        """Start every node that has ended."""
        for node in self.nodes:
            if not node.is_up:
                await node.start()

    def life_of(self, node: Node) -> str:
        """The node's name in the database, as its slot on its machine tells."""
        return self._slot(node)[1].node_id

    def last_reset(self, node: Node) -> float:
        """When the node last reset a connection, on the machine's own clock."""
        return slots.Left.read(slots.ports_of(self._slot(node)[0])).reset_at

    def _slot(self, node: Node) -> tuple[Path, slots.Occupant]:
        for path in slots.slots(Path(node.environment["SESSIONS_BASE_PATH"])):
            occupant = slots.read_occupant(path)
            if occupant is not None and occupant.pid == node.pid:
                return path, occupant
        raise LookupError(f"{node.name} is in no slot")


@asynccontextmanager
async def fleet(folder: Path, nodes: int) -> AsyncIterator[Fleet]:
    """A fleet of so many supervisors, the last one on a machine of its own, the others together on another."""
    home = Home.at(folder, sandbox=True)
    keys = Keys.of(home)
    async with AsyncExitStack() as stack:
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="usm-")))
        telegram = stack.enter_context(sandbox_dc(home))
        postgres, valkey = Postgres(home.path / "postgres"), Valkey(home.path / "valkey")
        stack.callback(postgres.stop)
        stack.callback(valkey.stop)
        await asyncio.to_thread(_start, postgres, valkey, keys)
        telegram.wait_line()
        description = SandboxDescription.from_json(home.sandbox_file.read_text())
        control = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=description.control_url,
                headers={"Authorization": f"Bearer {description.control_key}"},
                timeout=60,
            )
        )
        here = Fleet(
            postgres, valkey, [], control, keys, postgres.url_for(APP_ROLE, keys.app_password, "postgres")
        )
        stack.push_async_callback(_close, here)
        for number in range(nodes):
            machine = "second" if number == nodes - 1 and nodes > 1 else "first"
            here.nodes.append(await _node(here, home, description, sockets, f"node-{number}", machine))
        await asyncio.gather(*(node.start() for node in here.nodes))
        yield here


def _start(postgres: Postgres, valkey: Valkey, keys: Keys) -> None:
    postgres.start()
    valkey.start()
    bootstrap(postgres.url, keys.app_password)
    migrate(postgres.url)


async def _node(
    here: Fleet, home: Home, description: SandboxDescription, sockets: Path, name: str, machine: str
) -> Node:
    home_dc = description.dc(description.home_dc)
    to_database = Way(lambda: _to_postgres(here))
    to_telegram = Way(lambda: asyncio.open_connection(home_dc.host, home_dc.port))
    folder = sockets / name
    folder.mkdir()
    await to_database.on_socket(str(folder / ".s.PGSQL.5432"))
    parts = urlsplit(here.database_url)
    database_url = parts._replace(query=f"host={folder}&port=5432").geturl()
    sandbox_file = home.sandbox_file
    if machine == "second":  # the only one whose way to Telegram is cut: a relay answers a goodbye for others
        through = DcAddress(home_dc.id, "127.0.0.1", await to_telegram.on_port())
        dcs = tuple(through if dc.id == through.id else dc for dc in description.dcs)
        sandbox_file = home.path / f"{name}.sandbox.json"
        sandbox_file.write_text(replace(description, dcs=dcs).to_json())
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": here.valkey.url,
        "SESSIONS_BASE_PATH": str(home.path / f"sessions-{machine}"),
        "BACKUP_ENCRYPTION_KEY_PATH": str(home.keyring()),
        "SUPABASE_SERVICE_ROLE_KEY": here.keys.service_key,
        "MINIAPP_HMAC_SECRET": here.keys.hmac_secret,
        "TELEGRAM_SANDBOX": str(sandbox_file),
        "PORT": "0",
        "METRICS_PORT": "0",
    }
    return Node(name, machine, environment, home.path / name, to_database, to_telegram)


async def _to_postgres(here: Fleet) -> Streams:
    query = parse_qs(urlsplit(here.postgres.url).query)
    return await asyncio.open_unix_connection(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}")


async def _close(here: Fleet) -> None:
    for node in here.nodes:
        if node.child is not None:
            with suppress(ProcessLookupError):
                node.send(signal.SIGCONT)
            await asyncio.to_thread(node.child.stop)
        await node.to_database.close()
        await node.to_telegram.close()
    for client in here.clients.values():
        await client.aclose()
