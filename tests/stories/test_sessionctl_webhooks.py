"""A tenant's webhooks in an operator's hands: made, tested, chosen, and what was lost brought back, in a shell."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import trio

from supervisor.settings import Settings
from tests.stores import Database, run_sql
from tests.stories.conftest import ANNA, RunningSandbox, Service, qr_url, running
from tests.stories.shell import Shell
from tests.stories.test_webhooks import Backend, backend

LAST_TRY = """update usm.webhook_deliveries set attempts = 10, not_before = now()
              where status = 'due' and attempts > 0 and leased_until < now()"""


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with running(settings.model_copy(update={"webhook_allow_private": True})) as service:
        yield service


@pytest.fixture
async def told() -> AsyncIterator[Backend]:
    async with backend() as told:
        yield told


@pytest.fixture
def shell(service: Service) -> Shell:
    return Shell(str(service.http.base_url))


async def hook(shell: Shell, told: Backend, *more: str) -> str:
    """The id of a new webhook, whose secret the backend knows."""
    made = await shell.run("webhooks", "add", "demo", told.url, *more, "--json")
    assert made.code == 0, made.err
    told.secret = made.json["secret"]
    return str(made.json["webhook_id"])


@pytest.mark.timeout(150)
async def test_a_delivery_that_died_is_brought_back_and_arrives_under_its_own_id(
    shell: Shell, service: Service, told: Backend, sandbox: RunningSandbox, database: Database
) -> None:
    webhook_id = await hook(shell, told, "--state", "AUTHORIZED")
    told.refuses = 10**6
    started = await service.start()
    await sandbox.accept(qr_url(started), ANNA)
    await service.wait_for(started["ticket"], "AUTHORIZED")
    with trio.fail_after(40):
        while not await service.metric('webhook_deliveries_total{outcome="dead"}'):
            await trio.sleep(0.2)
            await trio.to_thread.run_sync(run_sql, database.admin_url, LAST_TRY)
    listed = await shell.run("webhooks", "deliveries", "demo", webhook_id, "--status", "dead", "--json")
    (dead,) = listed.json  # PENDING_QR was not wanted
    told.refuses = 0

    shown = await shell.run("webhooks", "deliveries", "demo", webhook_id)
    assert (dead["message_id"] in shown.out, "503" in shown.out) == (True, True)
    done = await shell.run("webhooks", "resend", "demo", webhook_id, dead["message_id"])
    assert (done.code, done.out) == (0, f"{dead['message_id']} is on its way once more\n"), done.err
    await told.until(1)
    assert list(told.received) == [dead["message_id"]]
    assert told.changes == ["AUTHORIZED"]

    again = await shell.run("webhooks", "resend", "demo", webhook_id, "msg_none", "--json")
    assert (again.code, again.json["code"]) == (1, "delivery_unknown")
    since = await shell.run("webhooks", "resend", "demo", webhook_id, "--dead-since", "2026-01-01", "--json")
    assert since.json == {"resent": 0}


@pytest.mark.timeout(150)
async def test_a_webhook_is_made_shown_changed_rotated_tested_and_removed(
    shell: Shell, told: Backend
) -> None:
    made = await shell.run("webhooks", "add", "demo", "--app", "main", typed=f"{told.url}?key=1\n")
    assert (made.code, "shown this once" in made.err) == (0, True), made.err
    told.secret = made.out.strip()
    assert told.secret.startswith("whsec_")
    listed = await shell.run("webhooks", "list", "demo")
    webhook_id = next(word for word in listed.out.split() if len(word) == 12 and word.isalnum())
    assert told.secret not in listed.out

    disabled = await shell.run("webhooks", "disable", "demo", webhook_id, "--json")
    assert (disabled.json["status"], disabled.json["apps"]) == ("disabled", ["main"])
    changed = await shell.run(
        "webhooks", "change", "demo", webhook_id, told.url, "--state", "REVOKED", "--json"
    )
    assert [changed.json[name] for name in ("url", "status", "apps", "states")] == [
        told.url,
        "disabled",
        ["main"],
        ["REVOKED"],
    ]
    enabled = await shell.run("webhooks", "enable", "demo", webhook_id)
    assert "is enabled" in enabled.out
    everything = await shell.run("webhooks", "change", "demo", webhook_id, "--everything", "--json")
    assert (everything.json["apps"], everything.json["states"]) == (None, None)
    rotated = await shell.run("webhooks", "rotate", "demo", webhook_id)
    assert rotated.out.strip() not in {told.secret, ""}
    told.secret = rotated.out.strip()
    pinged = await shell.run("webhooks", "ping", "demo", webhook_id, "--json")
    await told.until(1)
    assert list(told.received) == [pinged.json["message_id"]]

    unsaid = await shell.run("webhooks", "remove", "demo", webhook_id)
    assert (unsaid.code, "--yes" in unsaid.err) == (2, True)
    assert (await shell.run("webhooks", "remove", "demo", webhook_id, "--yes")).code == 0
    gone = await shell.run("webhooks", "show", "demo", webhook_id, "--json")
    assert (gone.code, gone.json["code"]) == (1, "webhook_unknown")


@pytest.mark.parametrize(
    "words",
    [
        ("list", "a/b"),
        ("show", "demo", ".."),
        ("change", "demo", "x" * 12),
        ("resend", "demo", "x" * 12),
        ("resend", "demo", "x" * 12, "msg", "--dead-since", "2026-01-01"),
        ("resend", "demo", "x" * 12, "--dead-since", "yesterday"),
    ],
)
async def test_what_cannot_be_asked_is_not_asked(words: tuple[str, ...]) -> None:
    done = await Shell("http://127.0.0.1:1").run("webhooks", *words)
    assert done.code == 2, (done.out, done.err)


async def test_events_are_followed_of_one_app_and_into_one_state(shell: Shell, service: Service) -> None:
    follow = (
        "events",
        "--tenant",
        "demo",
        "--after",
        "0",
        "--app",
        "other",
        "--state",
        "PENDING_QR",
        "--json",
    )
    async with shell.begin(*follow) as begun:
        await service.start()
        await service.start("demo", "other")
        said = b""
        with trio.fail_after(30):
            while b"\n" not in said:
                said += await begun.stdout.receive_some()

    event = json.loads(said.splitlines()[0])
    assert (event["app_id"], event["after"], event["id"]) == ("other", "PENDING_QR", 2)
