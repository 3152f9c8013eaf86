"""A process that is killed while it writes a session file leaves the old login or the new one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from actors.adapters.telegram.session_file import SessionFiles
from tests.contracts.credentials import credential
from tests.faults.killing import KEY, kill_writers, login, number_in

KILLS = 25
"""`ops/crash` does it as often as is wanted."""


@pytest.mark.timeout(300)
def test_a_writer_killed_at_any_moment_leaves_one_whole_login(tmp_path: Path) -> None:
    *_, tally = kill_writers(KILLS, tmp_path, seed=4)

    assert (tally.kills, tally.unusable, tally.lost, tally.unswept) == (KILLS, 0, 0, 0)
    assert tally.writes
    assert tally.leftovers  # some were killed in the middle


def test_the_check_of_a_file_would_notice_a_login_that_is_not_whole(tmp_path: Path) -> None:
    files = SessionFiles(tmp_path)
    assert number_in(files) is None

    files.write(KEY, replace(login(3), updates=login(4).updates))
    assert number_in(files) is None
    files.write(KEY, login(3))
    assert number_in(files) == 3


def test_only_what_was_left_unfinished_is_swept_away(tmp_path: Path) -> None:
    files = SessionFiles(tmp_path)
    files.write(KEY, credential(1))
    folder = files.path(KEY).parent
    kept = {
        "app-1.session",
        ".nodes",
        ".app-1.session",
        ".notes",
        "app-1.session.quarantined-1",
        ".a.ABCDEFGH.session",
    }
    for name in kept - {"app-1.session"} | {".app-1.abcd_123.session", ".b.12345678.session"}:
        (folder / name).touch()

    assert files.sweep() == 2

    assert {path.name for path in folder.iterdir()} == kept
    assert SessionFiles(tmp_path / "nowhere").sweep() == 0
