"""Everything that the connections, the methods and the control interface have in common."""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from ops.sandbox.accounts import Accounts
from ops.sandbox.clock import Clock
from ops.sandbox.codes import PhoneCodes
from ops.sandbox.counts import Counts
from ops.sandbox.description import SandboxDescription
from ops.sandbox.faults import Faults
from ops.sandbox.keys import AuthKey, AuthKeys
from ops.sandbox.live import DuplicateUse, FirstWords, Line, Live
from ops.sandbox.messages import MessageIds
from ops.sandbox.rsa_key import RsaKey
from ops.sandbox.srp import Challenge
from ops.sandbox.tokens import LoginTokens

_REMEMBERED = 1000


@dataclass
class World:
    """The sandbox's memory.

    `save` writes what changed; it is called before anybody is answered. `restart` takes the data centres away
    for so many seconds.
    """

    description: SandboxDescription
    rsa_key: RsaKey
    accounts: Accounts
    keys: AuthKeys
    tokens: LoginTokens
    codes: PhoneCodes
    save: Callable[[], None]
    restart: Callable[[float], Awaitable[None]]
    faults: Faults = field(default_factory=Faults)
    live: Live = field(default_factory=Live)
    counts: Counts = field(default_factory=Counts)
    clock: Clock = field(default_factory=Clock)
    message_ids: MessageIds = field(init=False)
    challenges: WeakKeyDictionary[AuthKey, Challenge] = field(default_factory=WeakKeyDictionary)
    duplicates: list[DuplicateUse] = field(default_factory=list)
    first_words: deque[FirstWords] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def __post_init__(self) -> None:
        self.message_ids = MessageIds(self.clock)

    def phone_of(self, key: AuthKey) -> str | None:
        """Whose key it is, even if the password is still to come; None while nobody is logged in with it."""
        here = key.authorization
        return None if here is None else self.accounts.by_id(here.user_id).phone

    def note_use(self, key: AuthKey, line: Line) -> None:
        """Watch over a key's use: a logged-in key that speaks on two live connections is burnt."""
        key.active = int(time.time())
        phone = self.phone_of(key)
        if phone is not None and key not in self.live.keys_on(line):
            self.counts.connections_of[phone] += 1
        duplicate = self.live.speaks(key, line)
        if duplicate is not None:
            self.duplicates.append(duplicate)
            self.keys.deauthorize(key, duplicated=True)
