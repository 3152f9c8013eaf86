"""Somebody guesses 2FA passwords, many at the same moment, over HTTP: how many get through is exact."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
import trio.testing

from actors.core.states import PASSWORD_ATTEMPTS
from api.events import Limited
from api.limits import RULES
from supervisor.settings import Settings
from tests.stories.conftest import BORIS, RunningSandbox, Service, qr_url, running

AT_ONCE = 40


async def until_password(service: Service, sandbox: RunningSandbox, app: str) -> str:
    """The ticket of a login that waits for the password."""
    started = await service.start(app=app)
    await sandbox.accept(qr_url(started), BORIS)
    await service.wait_for(started["ticket"], "PENDING_PASSWORD")
    return str(started["ticket"])


async def guess(service: Service, tickets: list[str], times: int) -> Counter[str]:
    """So many guesses for each ticket, all at the same moment; the codes of the answers."""
    codes: Counter[str] = Counter()
    begin = trio.Event()

    async def one(ticket: str, number: int) -> None:
        await begin.wait()
        body = {"ticket": ticket, "password": f"guess {number}"}
        codes[(await service.http.post("/api/qr/password", json=body)).json()["code"]] += 1

    async with trio.open_nursery() as nursery:
        for number in range(times):
            for ticket in tickets:
                nursery.start_soon(one, ticket, number)
        await trio.testing.wait_all_tasks_blocked()
        begin.set()
    return codes


@pytest.mark.timeout(120)
async def test_a_session_lets_as_many_guesses_through_at_once_as_one_after_another(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with running(settings) as service:
        codes = await guess(service, [await until_password(service, sandbox, "main")], AT_ONCE)
        tried = await service.metric('login_password_total{outcome="rejected"}')

    assert codes["limit_reached"] == AT_ONCE - RULES[Limited.PASSWORD].per_session
    assert 1 <= tried <= PASSWORD_ATTEMPTS
    assert codes.total() == AT_ONCE
    assert set(codes) <= {"limit_reached", "password_invalid", "login_ended", "out_of_turn"}


@pytest.mark.timeout(120)
async def test_a_tenants_limit_is_exact_over_all_its_sessions(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    narrow = settings.model_copy(update={"limit_password_attempts": 7})
    async with running(narrow) as service:
        tickets = [await until_password(service, sandbox, app) for app in ("one", "two", "three")]
        codes = await guess(service, tickets, 8)

    assert codes["limit_reached"] == 3 * 8 - 7
