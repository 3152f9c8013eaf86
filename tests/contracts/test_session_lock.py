"""While the service uses a session nobody else opens its file, and the service does not connect with an open one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
import trio

from actors.adapters.imports import Room, find, read
from actors.adapters.imports.found import Found
from actors.adapters.telegram.session_file import SessionFiles
from actors.adapters.telegram.session_lock import FileInUse, SessionLocks
from actors.core import messages as m
from actors.core.foreign import TELEGRAM, Fault, Unreadable
from actors.core.states import Reason
from actors.events import FileLocked, FileLockRefused
from actors.ports import Telegram
from tests.contracts.credentials import credential
from tests.contracts.telegram_bench import KEY, SandboxBench
from tests.contracts.telegram_steps import be_online, log_in, of

ROOT = Path(__file__).parents[2]
real_telethon = pytest.mark.parametrize("kind", ["fast"], indirect=True)
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has locks of open file descriptions"
)


@asynccontextmanager
async def plain_telethon(file: Path) -> AsyncIterator[str]:
    """What somebody else's program says that opens the session; it has it open for the length of the block."""
    command = [sys.executable, "-m", "tests.contracts.plain_telethon", str(file)]
    process = await trio.lowlevel.open_process(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        with trio.fail_after(60):
            said = b""
            while not said.endswith(b"\n"):
                said += await process.stdout.receive_some()
            yield said.decode().strip()
            await process.stdin.aclose()
            await process.wait()
    finally:
        process.kill()
        await process.stdout.aclose()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def start_of_key(bench: SandboxBench) -> str:
    kept = await bench.vault.current(KEY)
    assert kept is not None
    return kept.auth_key.reveal()[:16]


# -- plain Telethon, in another process


@real_telethon
async def test_plain_telethon_is_refused_while_the_session_is_connected_and_welcome_afterwards(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)

    async with plain_telethon(sandbox_bench.file) as said:
        assert said == "refused database is locked"
    await line.disconnect()

    async with plain_telethon(sandbox_bench.file) as said:
        assert said == f"open {await start_of_key(sandbox_bench)}"
    assert len([event for event in sandbox_bench.events if isinstance(event, FileLocked)]) == 1


@real_telethon
async def test_a_session_that_plain_telethon_has_open_is_not_connected_and_tried_again(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)
    await line.disconnect()
    await sandbox_bench.wait_connections(0)
    sandbox_bench.events.clear()

    async with plain_telethon(sandbox_bench.file) as said:  # it idles, outside of any transaction
        assert said.startswith("open")
        assert of(m.Unreachable, await line.connect()).reason is Reason.IN_USE_ELSEWHERE
        assert sandbox_bench.connections == 0
        assert sandbox_bench.events == [FileLockRefused(KEY)]

    of(m.Online, await line.connect())


@real_telethon
async def test_who_waits_for_the_file_while_it_is_written_anew_gets_no_login_out_of_the_old_one(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)
    old = sandbox_bench.file.open("rb")  # as the waiting program has it
    with old:
        await line.disconnect()
        await line.connect()
        await sandbox_bench.write_to_the_person("so that there is something to keep")
        await trio.sleep(0.2)
        await line.disconnect()
        assert os.fstat(old.fileno()).st_nlink == 0  # it was written anew
        assert old.read() == b""


@real_telethon
@pytest.mark.parametrize("end", ["forget", "leave"])
async def test_every_end_of_a_line_gives_its_descriptor_back(sandbox_bench: SandboxBench, end: str) -> None:
    async with sandbox_bench.open() as line:
        before = descriptors()
        await log_in(sandbox_bench, line)
        await line.disconnect()
        of(m.Online, await line.connect())
        if end == "forget":
            await line.forget()
    with trio.fail_after(5):
        while descriptors() > before:
            await trio.sleep(0.05)


@real_telethon
async def test_a_key_that_may_not_be_used_leaves_its_file_open_to_the_administrator(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await log_in(sandbox_bench, line)
    SessionFiles(sandbox_bench.file.parent.parent).write(KEY, credential(1))

    assert await line.connect() == m.CredentialUnusable(Reason.CREDENTIAL_TAMPERED)

    (aside,) = sandbox_bench.file.parent.iterdir()
    assert not is_refused(aside)


# -- the lock by itself


@pytest.fixture
def file(tmp_path: Path) -> Path:
    files = SessionFiles(tmp_path)
    files.write(KEY, credential(1))
    return files.path(KEY)


@contextmanager
def impatient(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=0)) as database:
        yield database


def is_refused(file: Path) -> bool:
    with impatient(file) as database:
        try:
            return not database.execute("select dc_id from sessions").fetchall()
        except sqlite3.OperationalError as error:
            return str(error) == "database is locked"


def test_a_locked_file_can_be_read_and_written_by_its_owner_and_by_nobody_else(
    tmp_path: Path, file: Path
) -> None:
    files = SessionFiles(tmp_path)

    assert files.claim(KEY)
    assert not files.claim(KEY)
    assert is_refused(file)

    files.write(KEY, credential(2))
    assert files.read(KEY) == credential(2)
    assert is_refused(file)
    assert not files.claim(KEY)

    files.release(KEY)
    assert not is_refused(file)


def test_two_of_us_never_have_the_same_file(tmp_path: Path, file: Path) -> None:
    ours, theirs = SessionFiles(tmp_path), SessionFiles(tmp_path)
    ours.claim(KEY)

    with pytest.raises(FileInUse):
        theirs.claim(KEY)
    ours.release(KEY)

    theirs.claim(KEY)
    assert is_refused(file)
    theirs.release(KEY)


def test_a_place_without_a_file_can_be_claimed_and_its_first_file_is_locked(tmp_path: Path) -> None:
    files = SessionFiles(tmp_path)

    assert files.claim(KEY)
    files.write(KEY, credential(1))

    assert is_refused(files.path(KEY))
    files.release(KEY)


def test_a_file_that_was_put_in_the_place_of_a_locked_one_is_locked_at_the_next_claim(
    tmp_path: Path, file: Path
) -> None:
    files = SessionFiles(tmp_path)
    files.claim(KEY)
    shutil.copy(file, tmp_path / "restored")
    (tmp_path / "restored").replace(file)
    assert not is_refused(file)

    assert not files.claim(KEY)

    assert is_refused(file)
    files.release(KEY)


@pytest.mark.parametrize(
    "script", ["begin; select 1 from sessions", "begin immediate", "begin exclusive", "select 1"]
)
def test_a_file_that_an_sqlite_has_open_is_not_taken_whatever_it_does(file: Path, script: str) -> None:
    with impatient(file) as database:
        database.executescript(script)
        with pytest.raises(FileInUse):
            SessionLocks().take(file)


def test_a_copy_in_the_making_and_a_failed_claim_keep_nobody_out(tmp_path: Path, file: Path) -> None:
    with file.open("rb"):  # a backup of the disk
        files = SessionFiles(tmp_path)
        assert files.claim(KEY)
        files.release(KEY)
    with file.open("r+b"), pytest.raises(FileInUse):
        files.claim(KEY)
    assert not is_refused(file)


def test_who_opens_the_file_in_the_moment_of_the_claim_does_not_end_the_process(
    tmp_path: Path, file: Path
) -> None:
    """The kernel tells the holder of a lease by a signal, and most signals kill."""
    opener = subprocess.Popen(
        [sys.executable, "-c", "import sys\nwhile True: open(sys.argv[1], 'r+b').close()", str(file)]
    )
    try:
        files = SessionFiles(tmp_path)
        taken = 0
        for _ in range(3000):
            try:
                files.claim(KEY)
            except FileInUse:
                continue
            taken += 1
            files.release(KEY)
    finally:
        opener.kill()
        opener.wait()
    assert taken


@pytest.mark.usefixtures("file")
def test_the_import_refuses_a_locked_file_with_a_sentence(tmp_path: Path) -> None:
    files = SessionFiles(tmp_path)
    files.claim(KEY)
    (found,) = find(tmp_path)
    assert isinstance(found, Found)

    with (
        Room.open() as room,
        pytest.raises(Unreadable, match="another program is using it: stop that program") as refused,
    ):
        read(room, tmp_path, found, TELEGRAM)

    assert refused.value.fault is Fault.IN_USE
    files.release(KEY)


def test_a_write_that_fails_keeps_the_lock_on_what_is_there(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = SessionFiles(tmp_path)
    files.claim(KEY)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="No space"):
            files.write(KEY, credential(2))

    assert is_refused(file)
    assert files.read(KEY) == credential(1)
    assert list(file.parent.iterdir()) == [file]
    files.release(KEY)
