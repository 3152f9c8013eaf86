"""Killed while it writes, and a full disk: no half backup is ever listed, and the next run puts things right."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.adapters.backups import files
from actors.adapters.backups.errors import BackupDiskFull
from tests.backups.examples import KEY, NOW, Shelf, login, shelf_in

KILLS, ROUNDS = 500, 5
ROOT = Path(__file__).parents[2]


def test_killed_at_any_moment_no_half_backup_is_listed_and_the_rest_is_swept(shelf: Shelf) -> None:
    died_writing = 0
    for _ in range(ROUNDS):
        writer = [sys.executable, "-m", "tests.backups.writer", str(shelf.base.parent), str(KILLS // ROUNDS)]
        subprocess.run(writer, cwd=ROOT, check=True)
        left = list(shelf.base.rglob(f".*{files.PART}"))
        died_writing += len(left)

        assert shelf.folder.sweep(KEY) == len(left)
        assert [path for path in shelf.base.rglob("*") if path.is_file() and path.suffix != ".usmb"] == []
        for backup_id in shelf.ids():
            assert shelf.folder.open(KEY, backup_id).id == backup_id
        shelf.folder.expire(KEY, time.time(), is_wanted=True)
    assert died_writing > KILLS / 20, "hardly a process was killed while it wrote: the test has shown nothing"


def test_a_file_that_somebody_still_writes_is_not_swept(shelf: Shelf) -> None:
    swept: list[int] = []

    def sweep_meanwhile(part: Path) -> None:
        swept.append(shelf.folder.sweep(KEY))
        assert part.exists()

    path = shelf.base / "tenant1" / "app1" / "file"
    files.place(path, b"content", sweep_meanwhile)

    assert swept == [0]
    assert path.read_bytes() == b"content"


# -- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no tmpfs can be mounted here: the full disk is not tested")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_said_leaves_nothing_and_recovers_by_itself(small_disk: Path, tmp_path: Path) -> None:
    shelf = Shelf(shelf_in(tmp_path).keyring_file, small_disk / "backups")
    credential = login()
    first = shelf.back_up(credential, NOW)
    ballast = small_disk / "ballast"
    _fill(ballast)

    for _ in range(3):
        with pytest.raises(BackupDiskFull, match="make room there, or set BACKUPS_PATH"):
            shelf.back_up(credential, NOW + 1)
    assert shelf.ids() == [first.id]
    assert shelf.folder.open(KEY).credential == credential
    assert [path for path in shelf.base.rglob("*") if path.is_file()] == [first.path]

    ballast.unlink()
    second = shelf.back_up(credential, NOW + 2)
    assert shelf.ids() == [second.id, first.id]


def test_at_whatever_byte_the_disk_is_full_nothing_is_left(small_disk: Path, tmp_path: Path) -> None:
    """From no inode to all but the last page: each step of writing meets the full disk once."""
    shelf = Shelf(shelf_in(tmp_path).keyring_file, small_disk / "backups")
    credential, ballast = login(), small_disk / "ballast"
    refused = made = 0
    while not made:
        _fill(ballast)
        os.truncate(ballast, max(0, ballast.stat().st_size - refused * 4096))
        try:
            shelf.back_up(credential, NOW)
            made += 1
        except BackupDiskFull:
            refused += 1
            assert [path for path in shelf.base.rglob("*") if path.is_file()] == []
        ballast.unlink()
    assert refused
    assert shelf.folder.open(KEY).credential == credential


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 512)
        except OSError:
            return
