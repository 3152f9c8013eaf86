"""Everything that the connections, the methods and the control interface have in common."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from ops.sandbox.accounts import Accounts
from ops.sandbox.codes import PhoneCodes
from ops.sandbox.description import SandboxDescription
from ops.sandbox.faults import Faults
from ops.sandbox.keys import AuthKey, AuthKeys
from ops.sandbox.live import DuplicateUse, Line, Live
from ops.sandbox.messages import MessageIds
from ops.sandbox.rsa_key import RsaKey
from ops.sandbox.srp import Challenge
from ops.sandbox.tokens import LoginTokens


@dataclass
class World:
    """The sandbox's memory. `save` writes what changed; it is called before anybody is answered."""

    description: SandboxDescription
    rsa_key: RsaKey
    accounts: Accounts
    keys: AuthKeys
    tokens: LoginTokens
    codes: PhoneCodes
    save: Callable[[], None]
    faults: Faults = field(default_factory=Faults)
    live: Live = field(default_factory=Live)
    message_ids: MessageIds = field(default_factory=MessageIds)
    challenges: WeakKeyDictionary[AuthKey, Challenge] = field(default_factory=WeakKeyDictionary)
    duplicates: list[DuplicateUse] = field(default_factory=list)

    def note_use(self, key: AuthKey, line: Line) -> None:
        """Watch over a key's use: a logged-in key that speaks on two live connections is burnt."""
        key.active = int(time.time())
        duplicate = self.live.speaks(key, line)
        if duplicate is not None:
            self.duplicates.append(duplicate)
            self.keys.deauthorize(key, duplicated=True)
