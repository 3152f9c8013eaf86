"""The twin of the vault, in lists: it belongs to a FakeStore, whose saves say what becomes of credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from actors.clock import Clock
from actors.core.credential import Bury, Credential, Deposit, Keeping, Owe, Settle
from actors.core.names import SessionKey
from actors.errors import CredentialSealed, CredentialSpent, StoreUnavailable
from actors.ports import Owed, OwedUnopened

FAREWELL_AFTER, CLAIM = 60.0, 120.0
GRACE, EVIDENCE = 7 * 86400.0, 30 * 86400.0


@dataclass(slots=True)
class Kept:
    """One auth key of a session. `credential` is None once it is erased."""

    auth_key: tuple[int, str]
    credential: Credential | None
    status: str = "current"
    reason: str | None = None
    not_before: float = 0.0
    erase_after: float = 0.0
    attempts: int = 0
    file_fingerprint: str | None = None
    epoch: int = 0
    """Of the ownership under which it was sealed last."""


class FakeVault:
    """A Vault, and the Farewells, by the wall time of trio's clock; `passed` seconds are added to it.

    Whatever auth key is in `sealed` cannot be opened. `down = True` is an outage, where `reach` says nothing else.
    `may_write` says whether a session is its process's, `owned_at` at which epoch.
    """

    def __init__(
        self,
        reach: Callable[[], Awaitable[None]] | None = None,
        clock: Clock | None = None,
        may_write: Callable[[SessionKey], bool] = lambda _: True,
        owned_at: Callable[[SessionKey], int] = lambda _: 0,
    ) -> None:
        self.down = False
        self.kept: dict[SessionKey, list[Kept]] = {}
        self.sealed: set[tuple[int, str]] = set()
        self.passed = 0.0
        self._clock = clock
        self._reach = reach or self._reach_alone
        self._may_write = may_write
        self._owned_at = owned_at

    # -- what the store saves

    def keep(self, key: SessionKey, keeping: Keeping) -> None:
        match keeping:
            case Deposit(credential):
                self._deposit(key, credential)
            case Owe(None):
                self._let_go(key, "owed", "requested", not_before=self._now() + FAREWELL_AFTER)
            case Owe(Credential() as credential):
                self._owe(key, credential)
            case Settle():
                requested = [kept for kept in self._all(key, "owed") if kept.reason == "requested"]
                for kept in requested[-1:]:
                    kept.status, kept.erase_after = "settled", self._now() + GRACE
            case Bury(reason):
                self._let_go(key, "buried", reason, erase_after=self._now() + EVIDENCE)

    def status(self, key: SessionKey, credential: Credential) -> str:
        """What became of a credential."""
        kept = self._find(key, credential)
        assert kept is not None, "it was never kept"
        return kept.status

    def has_kept(self, key: SessionKey, keeping: Keeping) -> bool:
        match keeping:
            case Deposit(credential):
                kept = self._find(key, credential)
                return kept is not None and kept.status == "current"
            case Owe(Credential() as credential):
                return self._find(key, credential) is not None
            case _:
                return True

    def _deposit(self, key: SessionKey, credential: Credential) -> None:
        kept = self._find(key, credential)
        if kept is not None and kept.status != "current":
            raise CredentialSpent(f"{key}: this auth key was given up before, it is {kept.status}")
        if kept is not None and kept.auth_key in self.sealed:
            self.sealed.discard(kept.auth_key)
            kept.credential, kept.epoch = credential, self._owned_at(key)
        if kept is None:
            self._let_go(key, "owed", "replaced", not_before=self._now() + FAREWELL_AFTER)
            new = Kept(_identity(credential), credential, epoch=self._owned_at(key))
            self.kept.setdefault(key, []).append(new)

    def _owe(self, key: SessionKey, credential: Credential) -> None:
        kept = self._find(key, credential)
        if kept is None:
            owed = Kept(_identity(credential), credential, "owed", "unwanted", self._now() + FAREWELL_AFTER)
            self.kept.setdefault(key, []).append(owed)
        elif kept.status == "current":
            self.keep(key, Owe())

    def _let_go(
        self, key: SessionKey, status: str, reason: str, not_before: float = 0.0, erase_after: float = 0.0
    ) -> None:
        for kept in self._all(key, "current"):
            kept.status, kept.reason = status, reason
            kept.not_before, kept.erase_after = not_before, erase_after
            # The last one let go is the last one in the list.
            self.kept[key].remove(kept)
            self.kept[key].append(kept)

    # -- one session's

    async def current(self, key: SessionKey) -> Credential | None:
        await self._reach()
        for kept in self._all(key, "current"):
            if kept.auth_key in self.sealed:
                raise CredentialSealed(f"{key}: the fake seal does not hold")
            if kept.epoch > self._owned_at(key):
                raise CredentialSealed(f"{key}: it was sealed under an ownership that nobody knows of")
            return kept.credential
        return None

    async def knows(self, key: SessionKey, credential: Credential) -> bool:
        await self._reach()
        return self._find(key, credential) is not None

    async def checkpoint(
        self, key: SessionKey, credential: Credential, file_fingerprint: str | None = None
    ) -> None:
        await self._reach()
        kept = self._find(key, credential)
        if kept is not None and kept.status == "current" and self._may_write(key):
            kept.credential, kept.epoch = credential, self._owned_at(key)
            kept.file_fingerprint = file_fingerprint or kept.file_fingerprint

    async def file_fingerprint(self, key: SessionKey) -> str | None:
        await self._reach()
        return next((kept.file_fingerprint for kept in self._all(key, "current")), None)

    # -- farewells

    async def owed(self, limit: int) -> list[Owed | OwedUnopened]:
        await self._reach()
        due = [
            (kept.not_before, key, kept)
            for key in self.kept
            for kept in self._all(key, "owed")
            if kept.not_before <= self._now()
        ]
        due.sort(key=lambda each: each[0])
        for _, _, kept in due[:limit]:
            kept.attempts += 1
            kept.not_before = self._now() + CLAIM * min(kept.attempts, 30)
        return [self._owed(key, kept) for _, key, kept in due[:limit]]

    def _owed(self, key: SessionKey, kept: Kept) -> Owed | OwedUnopened:
        assert kept.credential is not None
        fingerprint = f"fake:{kept.auth_key[1][:8]}"
        if kept.auth_key in self.sealed:
            return OwedUnopened(key, fingerprint, f"{key}: the fake seal does not hold")
        return Owed(key, fingerprint, kept.credential, kept.attempts - 1)

    async def settled(self, owed: Owed) -> None:
        await self._reach()
        kept = self._find(owed.key, owed.credential)
        if kept is not None and kept.status == "owed":
            kept.status, kept.erase_after = "settled", self._now() + GRACE

    async def postponed(self, owed: Owed, until: float) -> None:
        await self._reach()
        kept = self._find(owed.key, owed.credential)
        if kept is not None and kept.status == "owed":
            kept.not_before = until

    async def erase_due(self) -> int:
        await self._reach()
        over = [
            kept
            for key in self.kept
            for kept in self._all(key, "settled", "buried")
            if kept.credential is not None and kept.erase_after <= self._now()
        ]
        for kept in over:
            kept.credential = None
        return len(over)

    async def _reach_alone(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake vault is down")

    def _now(self) -> float:
        if self._clock is None:  # not before: it must be made inside of trio.run, which we need not be
            self._clock = Clock()
        return self._clock.now() + self.passed

    def _all(self, key: SessionKey, *statuses: str) -> list[Kept]:
        return [kept for kept in self.kept.get(key, []) if kept.status in statuses]

    def _find(self, key: SessionKey, credential: Credential) -> Kept | None:
        return next((kept for kept in self.kept.get(key, []) if kept.auth_key == _identity(credential)), None)


def _identity(credential: Credential) -> tuple[int, str]:
    return credential.dc_id, credential.auth_key.reveal()
