"""Auth keys: the secrets that clients share with a data centre, and who is logged in with each."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

SALT_PERIOD = 1800


@dataclass(frozen=True)
class Device:
    """What `initConnection` said about the client (core.telegram.org/method/initConnection)."""

    api_id: int
    device_model: str
    system_version: str
    app_version: str
    lang_code: str


@dataclass
class Authorization:
    """An account that is logged in with a key, or nearly: its 2FA password may be still to come."""

    user_id: int
    hash: int
    created: int
    password_pending: bool = False


@dataclass(eq=False)
class AuthKey:
    """One 2048-bit key of one data centre (core.telegram.org/mtproto/description#authorization-key)."""

    secret: bytes = field(repr=False)
    dc_id: int
    created: int
    first_salt: int = field(repr=False)
    device: Device | None = None
    authorization: Authorization | None = None
    duplicated: bool = False
    active: int = 0
    salt_turn: int = 0

    @cached_property
    def id(self) -> int:
        """The lower 64 bits of the key's SHA-1, unsigned, as packets carry it."""
        return int.from_bytes(hashlib.sha1(self.secret).digest()[-8:], "little")  # noqa: S324 - the protocol's own

    @property
    def user_id(self) -> int | None:
        """The account that is logged in completely, if any."""
        here = self.authorization
        return None if here is None or here.password_pending else here.user_id

    def salt(self, now: float) -> int:
        """The server salt of the present half hour; derived from the key, so that none has to be stored."""
        period = int(now) // SALT_PERIOD
        digest = hashlib.sha256(self.secret + period.to_bytes(8) + self.salt_turn.to_bytes(8)).digest()
        return int.from_bytes(digest[:8], signed=True)

    def accepts_salt(self, salt: int, now: float) -> bool:
        """Whether a client may use `salt` now: this half hour's, the last one's, or a new key's first."""
        if salt in (self.salt(now), self.salt(now - SALT_PERIOD)):
            return True
        return salt == self.first_salt and not self.salt_turn and now - self.created < SALT_PERIOD


class AuthKeys:
    """Every key that the sandbox knows, by data centre and id. Tells `changed` after each change."""

    def __init__(self, keys: list[AuthKey], changed: Callable[[], None]) -> None:
        self._keys = {(key.dc_id, key.id): key for key in keys}
        self._changed = changed

    def __iter__(self) -> Iterator[AuthKey]:
        return iter(list(self._keys.values()))

    def find(self, dc_id: int, key_id: int) -> AuthKey | None:
        """The key with this id, if the data centre knows it."""
        return self._keys.get((dc_id, key_id))

    def create(self, dc_id: int, secret: bytes, first_salt: int) -> AuthKey:
        """Remember a new key."""
        key = AuthKey(secret, dc_id, int(time.time()), first_salt)
        self._keys[dc_id, key.id] = key
        self._changed()
        return key

    def forget(self, key: AuthKey) -> None:
        """Know this key no longer: its next packet is answered with transport error 404."""
        self._keys.pop((key.dc_id, key.id), None)
        self._changed()

    def of_account(self, user_id: int) -> list[AuthKey]:
        """The keys that an account is logged in with, those that wait for its password included."""
        return [key for key in self if key.authorization and key.authorization.user_id == user_id]

    def authorize(self, key: AuthKey, user_id: int, *, password_pending: bool = False) -> Authorization:
        """Log an account in with `key`, completely or up to its password."""
        key.authorization = Authorization(user_id, new_hash(), int(time.time()), password_pending)
        self._changed()
        return key.authorization

    def describe(self, key: AuthKey, device: Device) -> None:
        """Remember what a client said about itself."""
        if key.device != device:
            key.device = device
            self._changed()

    def turn_salt(self, key: AuthKey) -> None:
        """Accept the salts that `key` was told so far no longer."""
        key.salt_turn += 1
        self._changed()

    def deauthorize(self, key: AuthKey, *, duplicated: bool = False) -> None:
        """Log out whoever is logged in with `key`; `duplicated` burns the key for good."""
        key.authorization = None
        key.duplicated = key.duplicated or duplicated
        self._changed()


def new_hash() -> int:
    """A random positive 63-bit number, such as an authorization is known by."""
    return secrets.randbits(62) + 1
