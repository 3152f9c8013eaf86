"""A tenant is told by webhook what happens to its sessions: signed, in order, and after a restart of the service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio
from standardwebhooks import Webhook

from supervisor.settings import Settings
from tests.stories.conftest import ANNA, RunningSandbox, Service, qr_url, running

HOOKS = "/api/v1/tenants/demo/webhooks"


@dataclass
class Backend:
    """A tenant's own server, which verifies what it is sent. It refuses the first few."""

    secret: str = ""
    refuses: int = 0
    url: str = ""
    received: dict[str, Any] = field(default_factory=dict)

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
    served = Backend()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, served.handle, 0, host="127.0.0.1"))
        served.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook"
        yield served
        nursery.cancel_scope.cancel()


async def hook_up(service: Service, served: Backend) -> str:
    made = await service.http.post(HOOKS, json={"url": served.url})
    assert made.status_code == 201, made.text
    served.secret = made.json()["secret"]
    return f"{HOOKS}/{made.json()['webhook_id']}"


@pytest.fixture
def private(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_allow_private": True})


@pytest.mark.timeout(150)
async def test_a_login_is_told_and_what_was_missed_while_the_service_was_down_comes_after(
    private: Settings, sandbox: RunningSandbox
) -> None:
    async with backend() as served:
        async with running(private) as service:
            path = await hook_up(service, served)
            pinged = (await service.http.post(f"{path}/ping")).json()["message_id"]
            await served.until(1)
            assert served.received[pinged]["type"] == "ping"

            started = await service.start()
            await sandbox.accept(qr_url(started), ANNA)
            await service.wait_for(started["ticket"], "AUTHORIZED")
            await served.until(3)
            assert served.changes[:2] == ["PENDING_QR", "AUTHORIZED"]

            served.refuses = 10**6  # the backend is down while a session is stopped
            await service.http.post("/api/v1/sessions/demo/main/revoke")
            with trio.fail_after(20):
                while not await service.metric('webhook_deliveries_total{outcome="refused"}'):
                    await trio.sleep(0.1)
            known = len(served.received)
        served.refuses = 0
        async with running(private) as service:
            await served.until(known + 1)
            events = (await service.http.get("/api/v1/sessions/demo/main/events")).json()["events"]
            deliveries = (await service.http.get(f"{path}/deliveries")).json()["deliveries"]

        assert served.changes[-1] == "REVOKED"
        assert [said["data"] for said in served.received.values() if said["data"]] == events[::-1]
        assert {each["status"] for each in deliveries} == {"delivered"}


async def test_a_service_that_was_told_nothing_else_sends_nothing_inside(settings: Settings) -> None:
    async with backend() as served, running(settings) as service:
        refused = await service.http.post(HOOKS, json={"url": served.url})
        assert (refused.status_code, refused.json()["code"]) == (422, "webhook_url_invalid")
