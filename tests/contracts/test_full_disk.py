"""The disk of the session files is full: logins work all the same, nothing is half written, and it passes.

On a small tmpfs, which takes the right to mount one.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.adapters.telegram.session_file import SessionFiles
from actors.core import messages as m
from actors.events import FileUnwritten
from actors.ports import Telegram
from tests.contracts.telegram_bench import KEY, SandboxBench
from tests.contracts.telegram_steps import log_in, of

pytestmark = pytest.mark.parametrize("kind", ["fast"], indirect=True)
SIZE = 256 << 10
LEFT = [0, 4096, 20480]
"""Bytes that are left: for nothing, for a beginning, for all but the end of a file."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def session_files(session_files: Path, small_disk: Path) -> Path:
    assert session_files in small_disk.parents
    return small_disk


def fill(folder: Path, left: int) -> Path:
    """Leave only so many bytes; the file that takes the others."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - left)
    return filler


def is_full(event: object) -> bool:
    return isinstance(event, FileUnwritten) and event.error.errno == errno.ENOSPC


@pytest.mark.parametrize("left", LEFT)
async def test_a_login_on_a_full_disk_works_and_is_in_its_file_once_there_is_room(
    sandbox_bench: SandboxBench, line: Telegram, left: int
) -> None:
    credential = await log_in(sandbox_bench, line)
    folder = sandbox_bench.file.parent
    folder.mkdir()
    filler = fill(folder, left)

    of(m.Online, await line.connect())

    assert sandbox_bench.troubles
    assert all(is_full(event) for event in sandbox_bench.troubles)
    assert list(folder.iterdir()) == [filler]
    kept = await sandbox_bench.vault.current(KEY)
    assert kept is not None
    assert kept.auth_key == credential.auth_key

    filler.unlink()
    await line.disconnect()

    assert list(folder.iterdir()) == [sandbox_bench.file]
    assert SessionFiles(folder.parent).read(KEY) == await sandbox_bench.vault.current(KEY)


async def test_a_file_that_was_lost_is_there_again_though_nothing_has_happened_since(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await log_in(sandbox_bench, line)
    of(m.Online, await line.connect())
    await line.disconnect()
    sandbox_bench.file.unlink()
    filler = fill(sandbox_bench.file.parent, 0)
    of(m.Online, await line.connect())
    assert not sandbox_bench.file.exists()

    filler.unlink()
    of(m.Online, await line.connect())  # it is only asked whether it still is one

    assert sandbox_bench.file.exists()


@pytest.mark.parametrize("left", LEFT)
async def test_a_file_that_cannot_be_written_anew_stays_as_it_was_and_usable(
    sandbox_bench: SandboxBench, line: Telegram, left: int
) -> None:
    await log_in(sandbox_bench, line)
    of(m.Online, await line.connect())
    folder = sandbox_bench.file.parent
    before = sandbox_bench.file.read_bytes()
    filler = fill(folder, left)
    await sandbox_bench.write_to_the_person("so that there is something to write")

    await line.disconnect()
    of(m.Online, await line.connect())

    assert {filler, sandbox_bench.file} == set(folder.iterdir())
    assert sandbox_bench.file.read_bytes() == before
    assert sandbox_bench.troubles
    assert all(is_full(event) for event in sandbox_bench.troubles)
    filler.unlink()
