"""The sandbox's accounts: made-up people with the phone numbers of Telegram's test data centres."""

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ops.sandbox.description import DC_IDS
from ops.sandbox.inbox import Letter
from ops.sandbox.keys import new_hash

_TEST_PHONE = re.compile(r"99966([1-9])\d{4}", re.ASCII)
_FIRST_USER_ID = 7_000_000_000
_CODE_LENGTH = 5
_NUMBERS = 10_000


@dataclass
class Account:
    """One person (or bot). The password is in clear because it guards nothing: nobody real lives here."""

    user_id: int
    access_hash: int
    phone: str
    first_name: str
    last_name: str
    dc_id: int
    password: str | None = field(default=None, repr=False)
    hint: str | None = None
    bot_token: str | None = field(default=None, repr=False)
    inbox: list[Letter] = field(default_factory=list, repr=False)


class Accounts:
    """Every account, by phone number. Tells `changed` after each change."""

    def __init__(self, accounts: list[Account], changed: Callable[[], None]) -> None:
        self._by_phone = {account.phone: account for account in accounts}
        self._by_id = {account.user_id: account for account in accounts}
        self._changed = changed
        self._next_number = Counter[int]()
        self._last_id = max(self._by_id, default=_FIRST_USER_ID)

    def __iter__(self) -> Iterator[Account]:
        return iter(list(self._by_phone.values()))

    def __len__(self) -> int:
        return len(self._by_phone)

    def __getitem__(self, phone: str) -> Account:
        """The account with a phone number; LookupError if the sandbox has none."""
        account = self._by_phone.get(digits(phone))
        if account is None:
            raise LookupError(f"the sandbox has no account with phone {phone}")
        return account

    def find(self, phone: str) -> Account | None:
        """The account with a phone number, if there is one."""
        return self._by_phone.get(digits(phone))

    def by_id(self, user_id: int) -> Account:
        """The account with an id; LookupError if the sandbox has none."""
        return self._by_id[user_id]

    def by_bot_token(self, token: str) -> Account | None:
        """The bot that a token belongs to, if there is one."""
        return next((account for account in self if account.bot_token == token), None)

    def add(
        self,
        first_name: str,
        *,
        phone: str | None = None,
        dc_id: int = 2,
        password: str | None = None,
        hint: str | None = None,
        is_bot: bool = False,
    ) -> Account:
        """Make an account; its data centre is the X of its phone number 99966XYYYY; without one, `dc_id`.

        ValueError for a phone number that could be real, or that is taken.
        """
        phone = digits(phone) if phone else self._free_phone(dc_id)
        home = self._home_of_new(phone)
        self._last_id += 1
        token = f"{self._last_id}:SANDBOX-{secrets.token_urlsafe(20)}" if is_bot else None
        account = Account(
            self._last_id, new_hash(), phone, first_name, "Sandbox", home, password, hint, token
        )
        self._by_phone[phone] = self._by_id[self._last_id] = account
        self._changed()
        return account

    def move(self, phone: str, dc_id: int) -> None:
        """Let an account live on another data centre from now on; its number stays."""
        if dc_id not in DC_IDS:
            raise ValueError(f"the sandbox has no DC {dc_id}: its DCs are {DC_IDS}")
        self[phone].dc_id = dc_id
        self._changed()

    def deliver(self, account: Account, letter: Letter) -> int:
        """Put a message into an account's inbox; its number there."""
        account.inbox.append(letter)
        self._changed()
        return len(account.inbox)

    def _home_of_new(self, phone: str) -> int:
        home = dc_of(phone)
        if home is None:
            form = f"99966XYYYY with X in {DC_IDS}"
            raise ValueError(f"{phone} is no test number of a DC of the sandbox: it takes {form} only")
        if phone in self._by_phone:
            raise ValueError(f"the sandbox has an account with phone {phone} already")
        return home

    def _free_phone(self, dc_id: int) -> str:
        while self._next_number[dc_id] < _NUMBERS:
            phone = f"99966{dc_id}{self._next_number[dc_id]:04}"
            self._next_number[dc_id] += 1
            if phone not in self._by_phone:
                return phone
        raise ValueError(f"every test number of DC {dc_id} is taken")


def digits(phone: str) -> str:
    """A phone number without plus sign, spaces and the like."""
    return re.sub(r"\D", "", phone)


def dc_of(phone: str) -> int | None:
    """The data centre of a test number, None for any other number (core.telegram.org/api/auth#test-accounts)."""
    match = _TEST_PHONE.fullmatch(phone)
    return int(match[1]) if match and int(match[1]) in DC_IDS else None


def code_of(phone: str) -> str:
    """The login code that a test number receives: its data centre's digit, five times."""
    return str(dc_of(phone)) * _CODE_LENGTH
