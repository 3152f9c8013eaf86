"""What the command line does: each verb from its place in the world to an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actors.adapters.backups.errors import BackupError
from actors.adapters.backups.folder import BackupFolder
from actors.adapters.keyring import KeyringError
from actors.core.names import SessionKey
from ops.backups.place import Place
from ops.backups.screen import Screen, Verdict


@dataclass(frozen=True, slots=True)
class Asked:
    """The verbs. Each says what came of it on the screen and answers with an exit code."""

    place: Place
    screen: Screen
    retention_days: int
    every_hours: float

    def list_backups(self, key: SessionKey) -> int:
        """Show a session's backups; needs neither a key nor the database."""
        folder = self.place.folder()
        try:
            return self.screen.listed(key, str(folder.base), folder.entries(key))
        except BackupError as error:
            return self.screen.refuse(error.code, str(error), 1)

    def verify(self, key: SessionKey | None) -> int:
        """Open every backup of a session, or of all."""
        folder = self.place.folder()
        try:
            self.place.read_keyring()
            keys = list(folder.keys()) if key is None else [key]
            return self.screen.verified(self._verdicts(folder, keys))
        except KeyringError as error:
            return self.screen.refuse("keyring_unusable", str(error), 2)
        except BackupError as error:
            return self.screen.refuse(error.code, str(error), 1)

    def _verdicts(self, folder: BackupFolder, keys: Sequence[SessionKey]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        with self.screen.progress() as progress:
            for key in progress.track(keys, description="Verifying"):
                verdicts += [_verdict(folder, key, path.stem) for path in folder.paths(key)]
        return verdicts

    def back_up(self, key: SessionKey) -> int:
        """Back a session up now."""
        from ops.backups.stores import back_up  # noqa: PLC0415 - Telethon and the stores take a moment to import

        return back_up(self.place, self.screen, key)

    def restore(self, key: SessionKey, backup_id: str | None) -> int:
        """Put a session's login back."""
        from ops.backups.stores import restore  # noqa: PLC0415 - as above

        return restore(self.place, self.screen, key, backup_id)

    def schedule(self) -> int:
        """Run the schedule until SIGTERM or SIGINT."""
        from ops.backups.stores import schedule  # noqa: PLC0415 - as above

        return schedule(self.place, self.screen, self.retention_days, self.every_hours)


def _verdict(folder: BackupFolder, key: SessionKey, backup_id: str) -> Verdict:
    try:
        folder.open(key, backup_id)
    except BackupError as error:
        return Verdict(key, backup_id, error.code, str(error))
    return Verdict(key, backup_id)
