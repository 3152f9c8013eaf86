"""Backups on their schedule."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.adapters.backups.folder import BackupFolder
from actors.adapters.keyring import KeyringFile
from supervisor.backups import BackupSchedule, SessionBackups, Times
from supervisor.children.given import Given
from supervisor.children.stores import Stores


@asynccontextmanager
async def back_up(given: Given, stores: Stores) -> AsyncIterator[None]:
    """Keep the schedule for the length of the block."""
    settings = given.settings
    keyring = KeyringFile(settings.backup_encryption_key_path)
    folder = BackupFolder(settings.backups_folder, keyring, settings.environment)
    backups = SessionBackups(folder, stores.vault, given.clock)
    times = Times(settings.backup_every_hours * 3600, settings.backup_retention_days * 86_400)
    schedule = BackupSchedule(backups, stores.backup_register, times, given.clock, given.tell)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(schedule.keep)
        yield
        nursery.cancel_scope.cancel()
