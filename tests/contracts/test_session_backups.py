"""Backups of sessions that are in use, from the vault, in real threads: over the fake store, and over PostgreSQL."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
import trio

from actors.adapters.backups.folder import BackupFolder
from actors.clock import Clock
from actors.core.credential import Deposit, Owe
from actors.core.names import SessionKey
from actors.errors import CredentialSealed, StoreUnavailable
from supervisor.backups import SessionBackups
from tests.contracts.benches import StoreBench
from tests.contracts.credentials import Saver, credential, keyring

KEY = SessionKey("tenant-a", "app-1")


@pytest.fixture
async def backups(bench: StoreBench, tmp_path: Path) -> SessionBackups:
    folder = BackupFolder(tmp_path / "backups", lambda: keyring("first"), "test")
    return SessionBackups(folder, bench.vault, Clock())


@pytest.fixture
def save(bench: StoreBench) -> Saver:
    return Saver(bench.store)


async def test_a_session_without_a_login_has_nothing_to_back_up(backups: SessionBackups, save: Saver) -> None:
    assert await backups.back_up(KEY) is None
    await save(Deposit(credential(1)), Owe())
    assert await backups.back_up(KEY) is None

    assert backups.folder.paths(KEY) == []


async def test_a_manual_backup_is_made_changed_or_not(backups: SessionBackups, save: Saver) -> None:
    await save(Deposit(credential(1)))

    assert await backups.back_up(KEY) is not None
    assert await backups.back_up(KEY, unless_unchanged=True) is None
    assert await backups.back_up(KEY) is not None
    assert len(backups.folder.paths(KEY)) == 2


async def test_a_session_in_use_is_backed_up_as_it_was_at_one_moment(
    backups: SessionBackups, save: Saver, bench: StoreBench
) -> None:
    """It goes on, checkpoint after checkpoint, while one backup after another is made of it."""
    await save(Deposit(credential(1, pts=1)))

    async def go_on() -> None:
        for pts in count(2):
            await bench.vault.checkpoint(KEY, credential(1, pts=pts))

    seen: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on)
        for _ in range(30):
            made = await backups.back_up(KEY)
            assert made is not None
            opened = backups.folder.open(KEY, made.id)
            pts = opened.credential.updates[0].pts
            assert opened.credential == credential(1, pts=pts)
            seen.append(pts)
        nursery.cancel_scope.cancel()

    assert seen == sorted(seen)
    assert len(set(seen)) > 10


async def test_what_cannot_be_had_is_told(backups: SessionBackups, save: Saver, bench: StoreBench) -> None:
    await save(Deposit(credential(1)))
    await bench.damage(KEY)
    with pytest.raises(CredentialSealed):
        await backups.back_up(KEY)
    await bench.go_down()
    with pytest.raises(StoreUnavailable):
        await backups.back_up(KEY)

    assert backups.folder.paths(KEY) == []


async def test_a_backup_that_is_cancelled_is_whole_or_not_there(backups: SessionBackups, save: Saver) -> None:
    await save(Deposit(credential(1)))
    for delay in range(40):
        with trio.move_on_after(delay / 10_000):
            await backups.back_up(KEY)
    await trio.sleep(0.1)  # what was left behind comes to its end

    for path in backups.folder.paths(KEY):
        assert backups.folder.open(KEY, path.stem).credential == credential(1)
    assert backups.folder.sweep(KEY) == 0
