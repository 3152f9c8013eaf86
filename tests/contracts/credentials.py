"""Made-up credentials, keyrings and seals, and a way to save one credential after another."""

from __future__ import annotations

import hashlib

from actors.adapters.keyring import Keyring
from actors.adapters.sealing import Seals
from actors.core.credential import Credential, Keeping, UpdatePoint
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.secret import Secret
from actors.core.states import Authorized
from actors.ports import Farewells, Owed, Saved, Store


def credential(number: int, *, dc_id: int = 2, pts: int = 1) -> Credential:
    """One of many: each number has an auth key of its own, which no compression makes shorter."""
    auth_key = b"".join(hashlib.sha256(b"%d %d" % (number, part)).digest() for part in range(8))
    points = (
        UpdatePoint(0, pts, 0, 1_795_000_000, 3),
        UpdatePoint(2**40 + number, 7, 0, 1_795_000_001, 0, 99),
    )
    return Credential(
        2**53 + number, dc_id, "149.154.167.51", 443, Secret(auth_key.hex()), points, 10_000 + number
    )


def keyring(*names: str) -> Keyring:
    """A keyring with these keys; the same name is the same key everywhere."""
    return Keyring({name: hashlib.sha256(name.encode()).digest() for name in names})


def seals(*names: str, environment: str = "test") -> Seals:
    """Seals under these keys, the last of which seals."""
    ring = keyring(*names)
    return Seals(environment, lambda: ring)


SEALS = seals("first")
SESSION = SessionKey("tenant-a", "app-1")


class Saver:
    """Saves one version after another of each session."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.versions: dict[SessionKey, int] = {}

    async def __call__(self, *keepings: Keeping | None, key: SessionKey = SESSION) -> None:
        for keeping in keepings:
            version = self.versions.get(key, 0) + 1
            await self._store.save(key, saved(version), None, keeping)
            self.versions[key] = version


def saved(version: int) -> Saved:
    return Saved(to_record(Authorized(7)), version, 1_795_000_000.0)


async def claimed(farewells: Farewells) -> list[Credential]:
    """What Telegram may be told now; all of it can be opened."""
    owed = await farewells.owed(100)
    assert all(isinstance(each, Owed) for each in owed)
    return [each.credential for each in owed if isinstance(each, Owed)]
