"""QR login tokens: shown by one client, accepted by another (core.telegram.org/api/qr-login)."""

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from ops.sandbox.accounts import Account
from ops.sandbox.errors import RpcError
from ops.sandbox.keys import AuthKey

_SIZE = 32
# Long enough to tell "expired" from "never existed" for a person who scans an old picture.
_REMEMBERED = 600


@dataclass
class LoginToken:
    """One token, and who accepted it."""

    secret: bytes = field(repr=False)
    key: AuthKey
    expires: int
    except_ids: tuple[int, ...]
    account: Account | None = None


class LoginTokens:
    """The tokens of the last minutes. `life` is in seconds; Telegram's is 30."""

    def __init__(self, life: float, clock: Callable[[], float]) -> None:
        self._life = life
        self._clock = clock
        self._tokens: dict[bytes, LoginToken] = {}

    def export(self, key: AuthKey, except_ids: tuple[int, ...]) -> LoginToken:
        """The token that `key` shows now: the same one while it lives, then a new one."""
        for token in self._tokens.values():
            if token.key is key and token.expires > self._clock():
                return token
        self._drop_old()
        token = LoginToken(secrets.token_bytes(_SIZE), key, self._end_of_life(), except_ids)
        self._tokens[token.secret] = token
        return token

    def accept(self, secret: bytes, account: Account) -> LoginToken:
        """`account` lets the client that shows the token in; RpcError as Telegram words it when it cannot."""
        token = self._living(secret)
        if token.account is not None:
            raise RpcError(400, "AUTH_TOKEN_ALREADY_ACCEPTED")
        if account.user_id in token.except_ids:
            raise RpcError(400, "AUTH_TOKEN_EXCEPTION")
        token.account = account
        # Accepted in its last second, it must outlive the answer's way to the client that shows it.
        token.expires = self._end_of_life()
        return token

    def redeem(self, secret: bytes) -> Account:
        """Whom an accepted token lets in, once it was carried to another data centre."""
        account = self._living(secret).account
        if account is None:
            raise RpcError(400, "AUTH_TOKEN_INVALID")
        return account

    def spend(self, secret: bytes) -> None:
        """Let nobody else in with this token."""
        self._tokens[secret].expires = 0

    def expire_all(self) -> int:
        """Let every living token die now; how many that were."""
        living = [token for token in self._tokens.values() if token.expires > self._clock()]
        for token in living:
            token.expires = int(self._clock())
        return len(living)

    def _end_of_life(self) -> int:
        # TL tells whole seconds; what the client is told has to be true.
        return math.ceil(self._clock() + self._life)

    def _living(self, secret: bytes) -> LoginToken:
        token = self._tokens.get(secret)
        if token is None:
            raise RpcError(400, "AUTH_TOKEN_INVALID")
        if token.expires <= self._clock():
            raise RpcError(400, "AUTH_TOKEN_EXPIRED")
        return token

    def _drop_old(self) -> None:
        oldest = self._clock() - _REMEMBERED
        self._tokens = {secret: token for secret, token in self._tokens.items() if token.expires > oldest}
