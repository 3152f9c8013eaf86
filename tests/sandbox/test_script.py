import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from telethon import errors, functions
from telethon.errors import AuthKeyNotFound

from ops.sandbox import Sandbox
from ops.sandbox.script import VERBS, main
from tests.sandbox.clients import ANNA, BORIS, CLARA, connected, soon, started

STATE = functions.updates.GetStateRequest


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def say(*words: str) -> Any:
        await asyncio.to_thread(main, ["--directory", str(tmp_path), *words])
        return json.loads(capsys.readouterr().out)

    return say


@asynccontextmanager
async def remembered(directory: Path) -> AsyncIterator[Sandbox]:
    async with started(Sandbox(directory)) as sandbox:
        yield sandbox


def test_rules_are_made_listed_and_cleared(tmp_path: Path, say: Callable[..., Any]) -> None:
    async def story() -> None:
        async with remembered(tmp_path):
            flood = await say("fail", "auth.*", "FLOOD_WAIT_9", "--phone", f"+{ANNA}", "--times", "2")
            assert flood["fault"] == {"code": 420, "name": "FLOOD_WAIT_9"}
            assert (flood["phone"], flood["count"], flood["kind"]) == (ANNA, 2, "RpcFailure")
            await say("stall", "--dc", "1")
            await say("slow", "0.5", "--method", "updates.*")
            await say("refuse", "--times", "3")
            await say("drop", "--method", "auth.signIn")
            await say("reset", "--method", "auth.*")
            await say("nonsense", "users.*", "--phone", ANNA)
            kinds = [rule["kind"] for rule in await say("list")]
            assert kinds == ["RpcFailure", "Stall", "Slow", "Refusal", "HangUp", "HangUp", "Nonsense"]

            await say("clear", str(flood["id"]))
            assert len(await say("list")) == 6
            await say("clear")
            assert await say("list") == []

    asyncio.run(story())


def test_a_client_suffers_what_the_script_says(tmp_path: Path, say: Callable[..., Any]) -> None:
    async def story() -> None:
        async with (
            remembered(tmp_path) as sandbox,
            connected(sandbox.description, sandbox.provision(ANNA)) as client,
        ):
            await say("freeze", ANNA)
            with pytest.raises(errors.FrozenMethodInvalidError):
                await client(functions.account.UpdateStatusRequest(offline=True))
            await say("clear")
            assert await say("drop", "--phone", ANNA) == {"ended": 1}
            assert await say("reset", "--dc", "1") == {"ended": 0}
            await say("rotate-salts")
            await say("skew", "500")
            assert await say("message", ANNA, "hello", "--from", BORIS) == {"pts": 2}
            assert (await client(STATE())).pts == 2
            (line,) = await say("connections")
            assert line["phone"] == ANNA
            counts = await say("counts")
            assert counts["connections_of"] == {ANNA: 2}
            assert counts["connections"] == {"2": 2}
            assert await say("burn", ANNA) == {"burnt": 1}
            assert await say("duplicates") == []

    asyncio.run(story())


def test_logins_end_and_move_as_the_script_says(
    tmp_path: Path, say: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with remembered(tmp_path) as sandbox:
            session = sandbox.provision(ANNA)
            monkeypatch.setattr(sys, "stdin", io.StringIO(session + "\n"))
            await say("forget")
            with pytest.raises(AuthKeyNotFound):
                async with connected(sandbox.description, session):
                    pass
            sandbox.provision(ANNA)
            assert await say("deny", ANNA) == {"denied": 0}
            assert await say("forget", "--phone", ANNA) == {"forgotten": 1}
            sandbox.provision(ANNA)
            assert await say("revoke", ANNA, "--silent") == {"revoked": 1}
            await say("migrate", CLARA, "2")
            assert sandbox.accounts[CLARA].dc_id == 2
            async with connected(sandbox.description) as client:
                await client.qr_login()
                assert await say("expire-tokens") == {"expired": 1}
            assert (await say("ban", BORIS))["phone"] == BORIS

    asyncio.run(story())


def test_the_script_waits_until_a_restart_is_over(tmp_path: Path, say: Callable[..., Any]) -> None:
    async def story() -> None:
        async with (
            remembered(tmp_path) as sandbox,
            connected(
                sandbox.description, sandbox.provision(ANNA), connection_retries=99, retry_delay=0.05
            ) as it,
        ):
            away = asyncio.create_task(say("restart", "0.5"))
            await soon(lambda: not sandbox.world.live.lines())
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*sandbox.description.dc(2)[1:])
            await away
            assert (await asyncio.wait_for(it.get_me(), 5)).phone == ANNA

    asyncio.run(story())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["ban", "9996620000"], "the sandbox has no account with phone 9996620000"),
        (["stall", "--phone", "9996620000"], "the sandbox has no account with phone 9996620000"),
        (["drop", "--times", "2"], "leave --times away"),
        (["slow", "0"], "give more than 0 seconds"),
        (["fail", "*", "X", "--times", "0"], "give a count of 1 or more"),
        (["migrate", ANNA, "9"], "the sandbox has no DC 9"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story() -> None:
        async with remembered(tmp_path):
            with pytest.raises(SystemExit, match="2"):
                await asyncio.to_thread(main, ["--directory", str(tmp_path), *words])

    asyncio.run(story())
    assert complaint in capsys.readouterr().err


def test_without_a_sandbox_the_script_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--directory", str(tmp_path), "list"])
    assert f"start one with python -m ops.sandbox --directory {tmp_path}" in capsys.readouterr().err

    async def story() -> None:
        async with Sandbox(tmp_path):
            pass

    asyncio.run(story())
    with pytest.raises(SystemExit, match="2"):
        main(["--directory", str(tmp_path), "list"])
    assert "SANDBOX is not running: start it with" in capsys.readouterr().err


def test_help_tells_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(f"\n    {name} " in told for name in VERBS)
    for name in VERBS:
        with pytest.raises(SystemExit, match="0"):
            main(["--directory", ".", name, "--help"])
