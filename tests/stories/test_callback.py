"""A tenant's backend calls back, in every language that the documentation has an example for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from supervisor.settings import Settings
from tests.stories.conftest import ANNA, HMAC_KEY, RunningSandbox, Service, qr_url, running

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "ops" / "docs" / "examples"
COMMANDS = {
    "python": [sys.executable, str(EXAMPLES / "sign_callback.py")],
    "node": ["node", str(EXAMPLES / "sign_callback.mjs")],
    "curl": ["sh", str(EXAMPLES / "sign_callback.sh")],
}
NEEDS = {"python": (), "node": ("node",), "curl": ("curl", "openssl")}


def ops(*arguments: str, typed: str = "") -> dict[str, Any]:
    """What a command line tool of ours shows, which is JSON."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "MINIAPP_HMAC_SECRET": HMAC_KEY},
        input=typed,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def example(language: str, url: str, body: str) -> tuple[int, dict[str, str]]:
    key = ops("ops.sign_callback", "key", "--tenant", "demo")
    done = subprocess.run(
        [*COMMANDS[language], url],
        env={
            **os.environ,
            "USM_KEY": json.dumps(key),
            "USM_KEY_ID": key["key_id"],
            "USM_KEY_SECRET": key["secret"],
        },
        input=body,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


async def linked(service: Service, sandbox: RunningSandbox) -> tuple[str, int]:
    """The ticket of a login that is through, and whose account it is."""
    started = await service.start()
    await sandbox.accept(qr_url(started), ANNA)
    status = await service.wait_for(started["ticket"], "AUTHORIZED")
    return started["ticket"], status["telegram_user_id"]


@pytest.mark.parametrize("language", COMMANDS)
async def test_the_example_calls_back_and_is_answered(
    settings: Settings, sandbox: RunningSandbox, language: str
) -> None:
    for needed in NEEDS[language]:
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
    async with running(settings) as service:
        ticket, account = await linked(service, sandbox)
        url = f"{service.http.base_url}/api/qr/callback".replace("//api", "/api")
        body = {"ticket": ticket, "tg_user_id": account, "two_fa_required": False}

        def call(**changes: object) -> tuple[int, dict[str, str]]:
            return example(language, url, json.dumps(body | changes))

        code, answer = await trio.to_thread.run_sync(call)
        assert (code, answer["status"]) == (0, "success"), answer
        code, answer = await trio.to_thread.run_sync(lambda: call(tg_user_id=account + 1))
        assert (code != 0, answer["code"]) == (True, "account_differs")
        assert await service.metric('miniapp_webhook_total{outcome="accepted"}') == 2
        assert await service.metric('qr_auth_callback_total{outcome="confirmed"}') == 1
        assert await service.metric('qr_auth_callback_total{outcome="account_differs"}') == 1


async def test_what_the_tool_signs_is_taken_once(settings: Settings, sandbox: RunningSandbox) -> None:
    async with running(settings) as service:
        ticket, account = await linked(service, sandbox)

        def sign() -> dict[str, Any]:
            arguments = ("--tenant", "demo", "--tg-user-id", str(account))
            return ops("ops.sign_callback", *arguments, typed=f"{ticket}\n")

        signed = await trio.to_thread.run_sync(sign)
        answers = [
            await service.http.post("/api/qr/callback", content=signed["body"], headers=signed["headers"])
            for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [200, 409]
        assert answers[1].json()["code"] == "replayed"
