"""Two supervisors, and people who reach now one and now the other: nobody notices which one has their session."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from supervisor.settings import Settings
from tests.stories.conftest import BORIS, RunningSandbox, Service, qr_url
from tests.stories.served import served

TENANT = "everywhere"
PEOPLE = 4
PASSWORD = "sandbox-2fa"
ANSWERED = 'node_requests_total{error="none",kind="%s"}'


async def crossed(*nodes: Service) -> dict[str, float]:
    """How many requests went from one node to the other, by kind."""
    return {
        kind: sum([await node.metric(ANSWERED % kind) for node in nodes]) for kind in ("ask", "look", "wait")
    }


async def log_in(sandbox: RunningSandbox, number: int, first: Service, second: Service) -> None:
    """Start at one node, read the QR and follow the login at the other."""
    phone = f"999662{8800 + number}"
    await trio.to_thread.run_sync(
        sandbox.control, "POST", "/accounts", {"first_name": f"Guest {number}", "phone": phone}
    )
    started = await first.start(TENANT, f"app{number}")
    again = await second.start(TENANT, f"app{number}")
    assert again["ticket"] == started["ticket"]
    assert qr_url(again) == qr_url(started)
    async with trio.open_nursery() as nursery:
        for node in (first, second):
            nursery.start_soon(node.wait_for, started["ticket"], "AUTHORIZED")
        await trio.sleep(0.5)  # both wait by now
        await sandbox.accept(qr_url(again), phone)


async def wait_for_nothing(node: Service, ticket: str) -> None:
    """A long poll during which nothing happens: one of the two nodes has to ask the other for it."""
    headers = {"X-Ticket": ticket}
    now = (await node.http.get("/api/qr/status", headers=headers)).json()
    query = {"since": now["sequence"], "wait": 1}
    later = await node.http.get("/api/qr/status", headers=headers, params=query)
    assert later.json()["sequence"] == now["sequence"]


@pytest.mark.timeout(180)
async def test_it_does_not_matter_which_node_one_asks(
    settings: Settings, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    async with (
        served(settings, tmp_path / "one.log") as one,
        served(settings, tmp_path / "two.log") as two,
        trio.open_nursery() as nursery,
    ):
        nodes = one.service, two.service
        for number in range(PEOPLE):
            nursery.start_soon(log_in, sandbox, number, nodes[number % 2], nodes[1 - number % 2])

        started = await nodes[0].start(TENANT, "guarded")
        await sandbox.accept(qr_url(started), BORIS)
        waiting = await nodes[1].wait_for(started["ticket"], "PENDING_PASSWORD")
        assert waiting["requires_password"]
        body = {"ticket": started["ticket"], "password": PASSWORD}
        for node in nodes[::-1]:
            reply = await node.http.post("/api/qr/password", json=body)
            assert reply.status_code in {200, 409}, reply.text
        for node in nodes:
            await node.wait_for(started["ticket"], "AUTHORIZED")
            shown = await node.http.get(f"/api/v1/sessions/{TENANT}/guarded")
            assert shown.json()["state"] == "AUTHORIZED"
            await wait_for_nothing(node, started["ticket"])
        counts = await crossed(*nodes)

    assert counts["ask"] >= PEOPLE
    assert counts["look"] > 0
    assert counts["wait"] > 0


@pytest.mark.timeout(180)
async def test_a_node_that_is_stopped_leaves_its_sessions_to_the_other(
    settings: Settings, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    async with served(settings, tmp_path / "one.log") as one:
        async with served(settings, tmp_path / "two.log") as two:
            for number in range(10, 10 + PEOPLE):
                await log_in(sandbox, number, one.service, two.service)
        with trio.fail_after(60):
            for number in range(10, 10 + PEOPLE):
                path = f"/api/v1/sessions/{TENANT}/app{number}/validate"
                while (reply := await one.service.http.post(path)).status_code != 200:
                    assert reply.status_code in {429, 503}, reply.text
                    await trio.sleep(0.2)
                assert reply.json()["state"] == "AUTHORIZED"
