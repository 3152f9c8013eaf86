"""Why a backup could not be made, found or opened. Each has a stable code, and a sentence that names the fix."""

from __future__ import annotations

from typing import ClassVar


class BackupError(Exception):
    """Something about a backup did not work."""

    code: ClassVar[str] = "backup_failed"


class BackupMissing(BackupError):
    """There is no such backup."""

    code = "backup_missing"


class BackupDamaged(BackupError):
    """A backup is not what was written: some byte of it was changed, cut off or added."""

    code = "backup_damaged"


class BackupForeign(BackupError):
    """A backup belongs to another environment, tenant or app than it is wanted for."""

    code = "backup_foreign"


class BackupKeyMissing(BackupError):
    """A backup was sealed under a key that the keyring does not have, or has another one for."""

    code = "backup_key_missing"


class BackupDiskFull(BackupError):
    """There is no room for a backup. Nothing of it is left behind."""

    code = "backup_disk_full"


class BackupFolderUnusable(BackupError):
    """The folder of backups cannot be read or written."""

    code = "backup_folder_unusable"
