import asyncio
import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from telethon import errors

from ops.sandbox import Sandbox, SandboxDescription
from ops.sandbox.__main__ import main
from tests.sandbox.clients import ANNA, CLARA, connected, log_in_by_qr, started


def test_an_old_session_still_works_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with started(Sandbox(tmp_path)) as sandbox:
            before = sandbox.description
            dora = sandbox.accounts.add("Dora", phone="9996620042", password="swordfish")
            sandbox.message(dora.phone, "kept")
            provisioned = sandbox.provision(dora.phone)
            async with connected(before) as client:
                await log_in_by_qr(client, lambda url: sandbox.accept(url, CLARA))
                session = client.session.save()

        async with started(Sandbox(tmp_path)) as sandbox:
            assert sandbox.description == before
            assert sandbox.accounts[dora.phone] == dora
            for text, phone in ((session, CLARA), (provisioned, dora.phone)):
                async with connected(before, text) as client:
                    assert (await client.get_me()).phone == phone
            assert sandbox.revoke(CLARA) == 1

        async with started(Sandbox(tmp_path)), connected(before, session) as client:
            assert not await client.is_user_authorized()

    asyncio.run(story())


def test_a_burnt_key_stays_burnt_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with started(Sandbox(tmp_path)) as sandbox:
            session = sandbox.provision(ANNA)
            async with connected(sandbox.description, session):
                with pytest.raises(errors.AuthKeyDuplicatedError):
                    async with connected(sandbox.description, session):
                        pass
        async with started(Sandbox(tmp_path)) as sandbox:
            with pytest.raises(errors.AuthKeyDuplicatedError):
                async with connected(sandbox.description, session):
                    pass

    asyncio.run(story())


def test_a_login_that_a_client_was_told_of_is_on_the_disk(tmp_path: Path) -> None:
    async def story() -> None:
        async with started(Sandbox(tmp_path)) as sandbox, connected(sandbox.description) as client:
            await log_in_by_qr(client, lambda url: sandbox.accept(url, ANNA))

            keys = json.loads((tmp_path / "state.json").read_text())["keys"]
            assert [key["authorization"]["user_id"] for key in keys] == [sandbox.accounts[ANNA].user_id]

    asyncio.run(story())


def test_its_files_are_for_their_owner_only(tmp_path: Path) -> None:
    async def story() -> SandboxDescription:
        async with Sandbox(tmp_path / "new") as sandbox:
            return sandbox.description

    description = asyncio.run(story())
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == ["sandbox.json", "state.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert SandboxDescription.from_json(files[0].read_bytes()) == description
    assert description.control_key not in repr(description)


def test_without_a_directory_every_start_is_an_empty_sandbox() -> None:
    async def story() -> None:
        sandbox = Sandbox()
        async with sandbox, Sandbox() as other:
            sandbox.provision(ANNA)
            assert not set(sandbox.description.dcs) & set(other.description.dcs)
            assert sandbox.description.control_key != other.description.control_key
        async with sandbox:
            assert sandbox.revoke(ANNA) == 0

    asyncio.run(story())


def test_a_damaged_state_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"rsa_key": ')

    with pytest.raises(ValueError, match=r"state\.json is damaged: delete it"):
        asyncio.run(Sandbox(tmp_path).start())


def test_a_second_sandbox_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with Sandbox(tmp_path):
            with pytest.raises(OSError, match="stop the sandbox that runs there already"):
                await Sandbox(tmp_path).start()

    asyncio.run(story())


PUBLIC = "0.0.0.0"  # noqa: S104 - what has to be refused


@pytest.mark.parametrize("host", [PUBLIC, "192.0.2.1", "::", "localhost", ""])
def test_an_address_that_others_could_reach_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"the sandbox listens on 127\.0\.0\.1 only"):
        Sandbox(host=host)


def test_the_command_runs_it_and_stops_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.sandbox", "--directory", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = process.stdout.readline()
    description = SandboxDescription.from_json((tmp_path / "sandbox.json").read_bytes())
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=10)

    assert ready.startswith("SANDBOX ready: DC 1 on 127.0.0.1:")
    assert f"DC 2 on 127.0.0.1:{description.dc(2).port}" in ready
    assert (process.returncode, complaints) == (0, "")


def test_the_command_refuses_a_public_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sandbox", "--directory", str(tmp_path), "--host", PUBLIC])
    with pytest.raises(SystemExit, match="2"):
        main()

    assert capsys.readouterr().err.startswith("SANDBOX refuses to start: 0.0.0.0 can be reached from outside")
    assert list(tmp_path.iterdir()) == []
