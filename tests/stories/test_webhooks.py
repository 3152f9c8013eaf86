"""A tenant is told by webhook what happens to its sessions: signed, in order, and after a restart of the service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from standardwebhooks import Webhook

from supervisor.settings import Settings
from tests.stories.conftest import ANNA, RunningSandbox, Service, qr_url, running
from tests.stories.served import served
from tests.stories.test_session_events import read_ids

APPS = 6
HOOKS = "/api/v1/tenants/demo/webhooks"


@dataclass
class Backend:
    """A tenant's own server, which verifies what it is sent. It refuses the first few."""

    secret: str = ""
    refuses: int = 0
    url: str = ""
    received: dict[str, Any] = field(default_factory=dict)
    posts: int = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += await stream.receive_some()
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = (line.decode().partition(": ") for line in head.split(b"\r\n")[1:])
        headers = {name.lower(): value for name, _, value in lines}
        while len(body) < int(headers["content-length"]):
            body += await stream.receive_some()
        if self.refuses:
            self.refuses -= 1
            await stream.send_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            return
        Webhook(self.secret).verify(body, headers)
        self.posts += 1
        self.received[headers["webhook-id"]] = json.loads(body)
        await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")

    @property
    def changes(self) -> list[str]:
        return [said["data"]["after"] for said in self.received.values() if said["type"] == "session.changed"]

    async def until(self, number: int) -> None:
        with trio.fail_after(30):
            while len(self.received) < number:
                await trio.sleep(0.1)


@asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    told = Backend()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, told.handle, 0, host="127.0.0.1"))
        told.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook"
        yield told
        nursery.cancel_scope.cancel()


async def hook_up(service: Service, told: Backend) -> str:
    made = await service.http.post(HOOKS, json={"url": told.url})
    assert made.status_code == 201, made.text
    told.secret = made.json()["secret"]
    return f"{HOOKS}/{made.json()['webhook_id']}"


@pytest.fixture
def private(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_allow_private": True})


@pytest.mark.timeout(150)
async def test_a_login_is_told_and_what_was_missed_while_the_service_was_down_comes_after(
    private: Settings, sandbox: RunningSandbox
) -> None:
    async with backend() as told:
        async with running(private) as service:
            path = await hook_up(service, told)
            pinged = (await service.http.post(f"{path}/ping")).json()["message_id"]
            await told.until(1)
            assert told.received[pinged]["type"] == "ping"

            started = await service.start()
            await sandbox.accept(qr_url(started), ANNA)
            await service.wait_for(started["ticket"], "AUTHORIZED")
            await told.until(3)
            assert told.changes[:2] == ["PENDING_QR", "AUTHORIZED"]

            told.refuses = 10**6  # the backend is down while a session is stopped
            await service.http.post("/api/v1/sessions/demo/main/revoke")
            with trio.fail_after(20):
                while not await service.metric('webhook_deliveries_total{outcome="refused"}'):
                    await trio.sleep(0.1)
            known = len(told.received)
        told.refuses = 0
        async with running(private) as service:
            await told.until(known + 1)
            events = (await service.http.get("/api/v1/sessions/demo/main/events")).json()["events"]
            deliveries = (await service.http.get(f"{path}/deliveries")).json()["deliveries"]

        assert told.changes[-1] == "REVOKED"
        assert [said["data"] for said in told.received.values() if said["data"]] == events[::-1]
        assert {each["status"] for each in deliveries} == {"delivered"}


async def start_and_cancel(service: Service, app: str) -> None:
    """Two events of one session."""
    started = await service.start("demo", app)
    cancelled = await service.http.post("/api/qr/cancel", json={"ticket": started["ticket"]})
    assert cancelled.status_code == 200, cancelled.text


@pytest.mark.timeout(150)
async def test_two_nodes_tell_everything_once_and_either_shows_all_of_it(
    settings: Settings, tmp_path: Path
) -> None:
    allowed = {"WEBHOOK_ALLOW_PRIVATE": "true"}
    async with (
        backend() as told,
        served(settings, tmp_path / "one.log", allowed) as one,
        served(settings, tmp_path / "two.log", allowed) as two,
    ):
        nodes = one.service, two.service
        await hook_up(nodes[0], told)
        async with trio.open_nursery() as nursery:
            for number in range(APPS):
                nursery.start_soon(start_and_cancel, nodes[number % 2], f"app{number}")
        await told.until(2 * APPS)
        for node in nodes:
            with trio.fail_after(20):
                assert await read_ids(node, 2 * APPS) == 2 * APPS
        await trio.sleep(3)  # long enough for a second delivery, if there were any

    assert told.posts == len(told.received) == 2 * APPS
    for number in range(APPS):
        own = [
            said["data"]["after"]
            for said in told.received.values()
            if said["data"]["app_id"] == f"app{number}"
        ]
        assert own == ["PENDING_QR", "ABSENT"]


async def test_a_service_that_was_told_nothing_else_sends_nothing_inside(settings: Settings) -> None:
    async with backend() as told, running(settings) as service:
        refused = await service.http.post(HOOKS, json={"url": told.url})
        assert (refused.status_code, refused.json()["code"]) == (422, "webhook_url_invalid")
