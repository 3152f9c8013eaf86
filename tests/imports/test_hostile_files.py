"""Whatever lies in a folder: it is read or refused, nothing outside is touched, and no file is changed."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from actors.adapters.imports import Found, Oddity, Room, read
from actors.adapters.imports.copies import BIGGEST
from actors.core.foreign import TELEGRAM, Fault, Unreadable
from tests.imports.conftest import Read, found
from tests.imports.makers import (
    Made,
    fill_telethon,
    key_bytes,
    pyrogram,
    pyrogram_string,
    telethon,
    telethon_string,
)

FaultOf = Callable[[Path], Fault]
often = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(base: Path, room: Room, name: str) -> Fault | None:
    """What is wrong with a file, or None if it gives a login."""
    try:
        read(room, base, Found((name,), 0.0), TELEGRAM)
    except Unreadable as refused:
        return refused.fault
    return None


# -- any bytes


@often
@given(content=st.binary(max_size=5000))
def test_random_bytes_are_refused(base: Path, room: Room, content: bytes) -> None:
    (base / "a.session").write_bytes(content)

    assert attempt(base, room, "a.session") is not None


@often
@example(cut=20_486, kind="telethon")  # within a page that is empty anyway
@given(cut=st.integers(0, 40_000), kind=st.sampled_from(["telethon", "pyrogram"]))
def test_a_file_that_was_cut_off_gives_its_whole_login_or_none(
    base: Path, room: Room, cut: int, kind: str
) -> None:
    path = base / "a.session"
    path.unlink(missing_ok=True)
    whole = (telethon(path, 8) if kind == "telethon" else pyrogram(path, "kurigram 7")).read_bytes()
    path.write_bytes(whole[:cut])

    fault = attempt(base, room, "a.session")

    assert (fault is None) == (cut >= len(whole))


@often
@example(at=3226, value=0x80, version=8)  # the name of a table: SQLite quotes it in its complaint
@given(at=st.integers(0, 40_000), value=st.integers(0, 255), version=st.sampled_from([1, 3, 7, 8]))
def test_a_changed_byte_gives_the_same_key_another_key_or_a_refusal_and_never_an_accident(
    base: Path, room: Room, at: int, value: int, version: int
) -> None:
    path = base / "a.session"
    path.unlink(missing_ok=True)
    content = bytearray(telethon(path, version).read_bytes())
    content[at % len(content)] = value
    path.write_bytes(content)

    attempt(base, room, "a.session")


@often
@given(
    text=st.sampled_from(
        [telethon_string(), pyrogram_string(), pyrogram_string(">B?256sI?", Made(account_id=5))]
    ),
    at=st.integers(0, 400),
    char=st.characters(codec="ascii"),
)
def test_a_string_with_a_changed_character_never_makes_an_accident(
    base: Path, room: Room, text: str, at: int, char: str
) -> None:
    at %= len(text)
    (base / "a.string").write_text(text[:at] + char + text[at + 1 :])

    attempt(base, room, "a.string")


# -- what is no plain file


def test_links_and_devices_are_not_followed(base: Path, tmp_path: Path) -> None:
    outside = telethon(tmp_path / "elsewhere" / "secret.session", 8)
    (base / "file.session").symlink_to(outside)
    (base / "folder").symlink_to(outside.parent)
    (base / "dangling.session").symlink_to("nowhere")
    (base / "loop.session").symlink_to("loop.session")
    os.mkfifo(base / "pipe.session")
    (base / "tenant" / "folder.session").mkdir(parents=True)
    telethon(base / "a" / "b" / "deep.session", 8)

    entries = {str(entry): entry for entry in found(base)}

    assert {path: entry.fault for path, entry in entries.items() if isinstance(entry, Oddity)} == {
        "file.session": Fault.SYMLINK,
        "folder": Fault.SYMLINK,
        "dangling.session": Fault.SYMLINK,
        "loop.session": Fault.SYMLINK,
        "pipe.session": Fault.NOT_A_FILE,
        "a/b/deep.session": Fault.PLACE,
    }
    assert len(entries) == 6


def test_a_link_that_takes_a_files_place_at_the_last_moment_is_not_followed(
    base: Path, room: Room, tmp_path: Path
) -> None:
    outside = telethon(tmp_path / "elsewhere" / "secret.session", 8)
    (base / "file.session").symlink_to(outside)
    (base / "tenant").symlink_to(outside.parent)

    assert attempt(base, room, "file.session") is Fault.SYMLINK
    with pytest.raises(Unreadable):
        read(room, base, Found(("tenant", "secret.session"), 0.0), TELEGRAM)


def test_a_pipe_that_takes_a_files_place_does_not_block(base: Path, room: Room) -> None:
    os.mkfifo(base / "pipe.session")

    assert attempt(base, room, "pipe.session") is Fault.NOT_A_FILE


def test_what_a_service_writes_beside_sessions_is_left_alone(base: Path) -> None:
    for name in (".app.x1y2.session", "app.session-journal", "app.session-wal", "README.txt"):
        (base / name).write_text("x")
    (base / "app.session.quarantined-17").write_text("x")
    (base / ".nodes").mkdir()
    (base / ".nodes" / "0.session").write_text("x")

    assert found(base) == []


def test_a_huge_file_is_refused_without_being_copied(base: Path, room: Room) -> None:
    with (base / "a.session").open("wb") as file:
        file.truncate(BIGGEST + 1)

    assert attempt(base, room, "a.session") is Fault.TOO_BIG


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_we_may_not_read_is_named(base: Path, room: Room) -> None:
    telethon(base / "a.session", 8).chmod(0)

    assert attempt(base, room, "a.session") is Fault.UNREADABLE


def test_names_that_a_terminal_would_obey_are_shown_harmless(base: Path) -> None:
    (base / "\x1b[2Jgone\n.session").write_text("x")
    (base / os.fsdecode(b"\xff\xfe.session")).write_text("x")

    shown = [str(entry) for entry in found(base)]

    assert all(text.isprintable() for text in shown)
    assert shown[0] == "\\x1b[2Jgone\\n.session"


# -- what other programs are doing


@contextmanager
def in_another_process(script: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has come as far as its first line of output."""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield process
        process.kill()


WRITER = """
import sqlite3, time
database = sqlite3.connect({path!r})
database.execute("pragma journal_mode = {mode}")
{then}
print("there", flush=True)
time.sleep(60)
"""


def test_a_file_within_a_writers_transaction_is_in_use(base: Path, fault_of: FaultOf, reading: Read) -> None:
    path = telethon(base / "a.session", 8)
    then = "database.execute('insert into entities (id, hash) values (5, 5)')"

    with in_another_process(WRITER.format(path=str(path), mode="delete", then=then)):
        assert fault_of(path) is Fault.IN_USE
    assert reading(path).account_id == 7000000001


def test_what_a_killed_writer_left_in_its_write_ahead_log_is_read(base: Path, reading: Read) -> None:
    path = telethon(base / "a.session", 8)
    then = f"database.execute(\"update sessions set auth_key = x'{key_bytes(9).hex()}'\"); database.commit()"  # noqa: S608
    with in_another_process(WRITER.format(path=str(path), mode="wal", then=then)) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (base / "a.session-wal").stat().st_size

    assert bytes.fromhex(reading(path).auth_key.reveal()) == key_bytes(9)
    assert (base / "a.session-wal").stat().st_size


def test_what_a_killed_writer_had_not_finished_is_undone_in_the_copy_only(base: Path, reading: Read) -> None:
    path = telethon(base / "a.session", 8)
    # A tiny cache makes SQLite write unfinished pages into the file itself, and the old ones into the journal.
    then = f"""
database.execute("pragma cache_size = 1")
database.execute("begin immediate")
database.execute("update sessions set auth_key = x'{key_bytes(9).hex()}'")
for number in range(10, 5000):
    database.execute("insert into entities (id, hash) values (?, ?)", (number, number))
"""  # noqa: S608
    with in_another_process(WRITER.format(path=str(path), mode="delete", then=then)) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = contents(base)
    assert before["a.session-journal"]

    assert bytes.fromhex(reading(path).auth_key.reveal()) == key_bytes()
    assert contents(base) == before


def test_a_file_that_changes_all_the_time_is_in_use(
    base: Path, fault_of: FaultOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = telethon(base / "a.session", 8)
    real = os.read

    def read_and_touch(descriptor: int, size: int) -> bytes:
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", read_and_touch)

    assert fault_of(path) is Fault.IN_USE


def test_nothing_is_changed_by_reading(base: Path, room: Room) -> None:
    for version in range(1, 9):
        telethon(base / f"v{version}.session", version)
    with closing(sqlite3.connect(base / "open.session")) as database:
        database.execute("pragma journal_mode = wal")
        fill_telethon(database, 8, Made())
        database.commit()
        before = contents(base)
        for name in list(before):
            attempt(base, room, name)

        assert contents(base) == before


# -- rooms


def test_a_room_is_closed_to_others_and_gone_afterwards(tmp_path: Path) -> None:
    with Room.open(tmp_path) as room:
        assert room.folder.stat().st_mode & 0o777 == 0o700
        (room.folder / "copy").write_text("secret")
    assert list(tmp_path.iterdir()) == []


def test_the_room_of_a_killed_process_is_cleared_away_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    script = f"""
import pathlib, time
from actors.adapters.imports import Room
with Room.open(pathlib.Path({str(tmp_path)!r})) as room:
    (room.folder / "copy").write_text("secret")
    print("there", flush=True)
    time.sleep(60)
"""
    with in_another_process(script) as process:
        (living,) = tmp_path.iterdir()
        with Room.open(tmp_path):
            assert living.exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert living.exists()

    with Room.open(tmp_path):
        assert not living.exists()


def contents(base: Path) -> dict[str, str]:
    """Every file under a folder, as its hash."""
    return {
        str(path.relative_to(base)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in base.rglob("*")
        if path.is_file()
    }
