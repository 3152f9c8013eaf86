"""Phone login codes that were sent and not used yet (core.telegram.org/api/auth)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from ops.sandbox.accounts import code_of
from ops.sandbox.errors import RpcError

_LIFE = 300
_ATTEMPTS = 5


@dataclass
class SentCode:
    """One code on its way. `by_sms` after a resend."""

    hash: str = field(repr=False)
    phone: str
    expires: float
    attempts_left: int = _ATTEMPTS
    by_sms: bool = False


class PhoneCodes:
    """The codes of the last minutes, one per phone number."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._codes: dict[str, SentCode] = {}

    def send(self, phone: str) -> SentCode:
        """Send a fresh code; the one before is worth nothing from now on."""
        code = SentCode(secrets.token_hex(9), phone, self._clock() + _LIFE)
        self._codes[phone] = code
        return code

    def resend(self, phone: str, code_hash: str) -> SentCode:
        """Send the code once more, by SMS this time."""
        code = self._valid(phone, code_hash)
        if code.by_sms:
            raise RpcError(406, "SEND_CODE_UNAVAILABLE")
        code.by_sms = True
        return code

    def cancel(self, phone: str, code_hash: str) -> None:
        """Make a sent code worthless."""
        del self._codes[self._valid(phone, code_hash).phone]

    def check(self, phone: str, code_hash: str, code: str) -> None:
        """Use a code up; RpcError as Telegram words it when it is not the right one."""
        if not code:
            raise RpcError(400, "PHONE_CODE_EMPTY")
        sent = self._valid(phone, code_hash)
        if code == code_of(phone):
            del self._codes[phone]
            return
        sent.attempts_left -= 1
        if sent.attempts_left == 0:
            del self._codes[phone]
        raise RpcError(400, "PHONE_CODE_INVALID")

    def _valid(self, phone: str, code_hash: str) -> SentCode:
        if not code_hash:
            raise RpcError(400, "PHONE_CODE_HASH_EMPTY")
        sent = self._codes.get(phone)
        if sent is None or sent.hash != code_hash or sent.expires <= self._clock():
            raise RpcError(400, "PHONE_CODE_EXPIRED")
        return sent
