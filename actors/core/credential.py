"""What logs a session in, and what a decision makes of it. It is kept with the state, in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass

from actors.core.secret import Secret
from actors.core.states import Reason


@dataclass(frozen=True, slots=True)
class UpdatePoint:
    """How far the updates of one source are known: 0 for the account itself, or else a channel's id.

    `access_hash` lets this account ask for a channel's. Source: core.telegram.org/api/updates, `pts`, `qts`, `date`
    (seconds since the epoch) and `seq`.
    """

    entity_id: int
    pts: int
    qts: int
    date: int
    seq: int
    access_hash: int = 0


@dataclass(frozen=True, slots=True)
class Credential:
    """An auth key that Telegram let in: whose it is, its home data centre, and the updates it has seen."""

    account_id: int
    dc_id: int
    address: str
    port: int
    auth_key: Secret
    """The 256 bytes of the key, in hexadecimal."""
    updates: tuple[UpdatePoint, ...] = ()
    api_id: int | None = None
    """The app that it was let in with, and speaks as for ever after; None if nobody noted it."""


@dataclass(frozen=True, slots=True)
class Deposit:
    """It becomes the session's credential. The one that it replaces, if any, is owed a logout."""

    credential: Credential


@dataclass(frozen=True, slots=True)
class Owe:
    """Telegram still has to be told to log a key out: the session's own, or that of a login which came to nothing."""

    credential: Credential | None = None
    """None is the session's own."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Telegram has logged the session's last key out: nothing is owed for it any more."""


@dataclass(frozen=True, slots=True)
class Bury:
    """Telegram has ended the session's key by itself. It is kept for a while, as evidence, and never used again."""

    reason: Reason


Keeping = Deposit | Owe | Settle | Bury
"""What is to happen to credentials when a decision is saved."""
