"""The whole service in this process, on real stores, with a real sandbox DC beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from actors.adapters.keyring import add_key
from ops.launch.api import read_qr
from ops.sandbox.description import SandboxDescription
from supervisor.process import Process
from supervisor.settings import Settings
from tests.stores import Database
from tests.stories.terminal import Terminal

SERVICE_KEY = "story-service-key-0123456789abcdef0123456789"
HMAC_KEY = "story-hmac-key-fedcba9876543210fedcba98765432"

ANNA, BORIS, CLARA = "9996621001", "9996621002", "9996611003"


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox DC in a process of its own, and how its accounts are moved."""

    file: Path

    @property
    def description(self) -> SandboxDescription:
        return SandboxDescription.from_json(self.file.read_text())

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        description = self.description
        request = urllib.request.Request(
            description.control_url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {description.control_key}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    async def accept(self, url: str, phone: str) -> None:
        await trio.to_thread.run_sync(self.control, "POST", "/accept", {"url": url, "phone": phone})


def run_sandbox(folder: Path, *arguments: str) -> Iterator[RunningSandbox]:
    command = [sys.executable, "-m", "ops.sandbox", "--directory", str(folder), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "SANDBOX ready" in process.stdout.readline()
        yield RunningSandbox(folder / "sandbox.json")
        process.terminate()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    yield from run_sandbox(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture(scope="session")
def hasty_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """Its QR tokens live four seconds instead of thirty."""
    yield from run_sandbox(tmp_path_factory.mktemp("hasty"), "--token-life", "4")


class Service:
    """The running service as a backend developer sees it: by HTTP only."""

    def __init__(self, http: httpx.AsyncClient, metrics_url: str) -> None:
        self.http = http
        self._metrics_url = metrics_url

    async def start(self, tenant: str = "demo", app: str = "main") -> dict[str, Any]:
        reply = await self.http.post("/api/qr/start", json={"tenant_id": tenant, "app_id": app})
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    async def status(self, ticket: str, **query: int) -> dict[str, Any]:
        reply = await self.http.get("/api/qr/status", params=query, headers={"X-Ticket": ticket})
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    async def wait_for(self, ticket: str, state: str) -> dict[str, Any]:
        with trio.fail_after(30):
            status = await self.status(ticket)
            while status["state"] != state:
                status = await self.status(ticket, wait=5, since=status["sequence"])
            return status

    async def metrics(self) -> str:
        return (await self.http.get(self._metrics_url)).text

    async def metric(self, line: str) -> float:
        found = [text for text in (await self.metrics()).splitlines() if text.startswith(line + " ")]
        return float(found[0].rsplit(" ", 1)[1]) if found else 0.0


def qr_url(answer: dict[str, Any]) -> str:
    """What a phone's camera reads off the PNG."""
    return read_qr(answer["qr_base64"])


@pytest.fixture
def settings(database: Database, redis_url: str, sandbox: RunningSandbox, tmp_path: Path) -> Settings:
    return make_settings(database.app_url, redis_url, sandbox.file, tmp_path / "sessions")


def make_settings(database_url: str, redis_url: str, sandbox_file: Path, sessions: Path) -> Settings:
    return Settings.model_validate(
        {
            "database_url": database_url,
            "redis_url": redis_url,
            "supabase_service_role_key": SERVICE_KEY,
            "miniapp_hmac_secret": HMAC_KEY,
            "backup_encryption_key_path": keyring(sessions),
            "telegram_sandbox": sandbox_file,
            "sessions_base_path": sessions,
            "port": 0,
            "metrics_port": 0,
            "bridge_engine": os.environ.get("RUNTIME", "fast"),
        }
    )


def keyring(sessions: Path) -> Path:
    """Beside the sessions, made if there is none."""
    path = sessions.with_name("keyring")
    if not path.exists():
        add_key(path, "story")
    return path


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """The service, from start to an orderly stop."""
    async with Process(settings).running() as addresses:
        headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
        url = f"http://127.0.0.1:{addresses.api_port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
            yield Service(http, f"http://127.0.0.1:{addresses.metrics_port}/metrics")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def terminal(data: Path, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(*arguments: str) -> Terminal:
        output = tmp_path / f"screen-{len(opened)}"
        opened.append(Terminal(*arguments, "--data", str(data), output=output))
        return opened[-1]

    yield open_one
    for one in opened:
        one.process.kill()
        one.process.wait()
