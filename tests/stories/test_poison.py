"""One session that crashes at every start, among neighbours that must not notice."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from supervisor.children import sessions
from supervisor.policy import RestartPolicy
from supervisor.settings import Settings
from tests.stories.conftest import RunningSandbox
from tests.stories.stage import WHOLE, Person, Stage, standing

NEIGHBOURS = 8


async def test_a_session_that_crashes_at_every_start_is_parked_and_disturbs_nobody(
    settings: Settings, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telegram's answer to it is what no table knows. Its restarts come sooner than usual, and not less often."""
    monkeypatch.setattr(sessions, "RestartPolicy", partial(RestartPolicy, first_delay=0.02))
    async with standing(settings, sandbox) as stage:
        poison = await stage.linked()
        neighbours = [await stage.linked() for _ in range(NEIGHBOURS)]
        before = [await stage.logins(one) for one in neighbours]
        await stage.control(
            "POST", "/faults", {"kind": "nonsense", "method": "users.getUsers", "phone": poison.phone}
        )
        await stage.control("POST", "/drop", {"phone": poison.phone})

        with trio.fail_after(WHOLE):
            while (await stage.fate(poison))["phase"] != "parked":
                await trio.sleep(0.1)

        sick = await stage.fate(poison)
        assert (sick["state"], sick["restarts"], sick["breaker"]) == ("AUTHORIZED", 6, "open")
        for one in neighbours:
            well = await stage.fate(one)
            assert (well["phase"], well["restarts"], well["substate"]) == ("running", 0, "online")
        assert [await stage.logins(one) for one in neighbours] == before, "a neighbour had to connect again"
        assert {breaker["state"] for breaker in stage.process.view.tree()["breakers"].values()} == {"closed"}
        await refuses_at_once(stage, poison)


async def refuses_at_once(stage: Stage, person: Person) -> None:
    names = {"tenant_id": person.key.tenant_id, "app_id": person.key.app_id}
    with trio.fail_after(20):
        reply = await stage.service.http.post("/api/qr/start", json=names)
    assert (reply.status_code, reply.json()["code"]) == (503, "session_parked")
    assert reply.json()["retry_after"] > 200
