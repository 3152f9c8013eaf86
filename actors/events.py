"""What actors tell about themselves. One module turns these into metrics and logs; nothing else counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.core.names import SessionKey
from actors.core.states import Reason, SessionState


@dataclass(frozen=True, slots=True)
class Loaded:
    """An actor took up a session in this state."""

    key: SessionKey
    state: SessionState


@dataclass(frozen=True, slots=True)
class Transitioned:
    """A session's state was saved under a new name or a new reason."""

    key: SessionKey
    before: SessionState
    after: SessionState
    reason: Reason | None
    message: str


@dataclass(frozen=True, slots=True)
class TokenRotated:
    """A QR on a screen was replaced by a new one before the old one died."""

    key: SessionKey


@dataclass(frozen=True, slots=True)
class SignalIgnored:
    """A signal came too late for the state it was meant for."""

    key: SessionKey
    state: SessionState
    signal: str


@dataclass(frozen=True, slots=True)
class Left:
    """An actor let go of a session, which was in this state."""

    key: SessionKey
    state: SessionState


@dataclass(frozen=True, slots=True)
class FileQuarantined:
    """A session's file was put aside under this name: it was damaged, or held a key that was never the session's."""

    key: SessionKey
    name: str


@dataclass(frozen=True, slots=True)
class FileUnwritten:
    """A session's file could not be written. The session runs on: the vault has what it holds."""

    key: SessionKey
    error: OSError


@dataclass(frozen=True, slots=True)
class CredentialUnopened:
    """A sealed credential could not be opened; `why` names the fix."""

    key: SessionKey
    why: str


@dataclass(frozen=True, slots=True)
class FileLocked:
    """A session's file, or its place, was locked: the session is about to be used."""

    key: SessionKey


@dataclass(frozen=True, slots=True)
class FileLockRefused:
    """A session's file is open in another program; the session is not connected, and tried again later."""

    key: SessionKey


@dataclass(frozen=True, slots=True)
class FingerprintComputed:
    """The fingerprint of a session's file was taken, which took so many seconds."""

    key: SessionKey
    seconds: float


@dataclass(frozen=True, slots=True)
class FingerprintDrifted:
    """A session's file holds the right auth key, and is not as we wrote it last.

    Somebody has used, copied back or touched it; or we died, or the database was away, right after we wrote it.
    """

    key: SessionKey


ActorEvent = (
    Loaded
    | Transitioned
    | TokenRotated
    | SignalIgnored
    | Left
    | FileQuarantined
    | FileUnwritten
    | CredentialUnopened
    | FileLocked
    | FileLockRefused
    | FingerprintComputed
    | FingerprintDrifted
)
Tell = Callable[[ActorEvent], None]
