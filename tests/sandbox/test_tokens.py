import pytest

from ops.sandbox.accounts import Account
from ops.sandbox.errors import RpcError
from ops.sandbox.keys import AuthKey
from ops.sandbox.tokens import LoginTokens

KEY = AuthKey(bytes(256), dc_id=2, created=0, first_salt=0)
ANNA = Account(7, 0, "9996621001", "Anna", "Sandbox", dc_id=2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.25

    def __call__(self) -> float:
        return self.now


def test_a_token_lives_thirty_seconds_and_is_told_apart_from_one_that_never_was() -> None:
    clock = Clock()
    tokens = LoginTokens(30, clock)
    token = tokens.export(KEY, ())
    assert token.expires == 1031

    clock.now = 1030.99
    assert tokens.export(KEY, ()) is token
    clock.now = 1031.0
    assert tokens.export(KEY, ()) is not token
    with pytest.raises(RpcError, match="AUTH_TOKEN_EXPIRED"):
        tokens.accept(token.secret, ANNA)
    with pytest.raises(RpcError, match="AUTH_TOKEN_INVALID"):
        tokens.accept(b"never shown", ANNA)


def test_a_token_accepted_in_its_last_second_can_still_be_redeemed_once() -> None:
    clock = Clock()
    tokens = LoginTokens(30, clock)
    token = tokens.export(KEY, ())
    clock.now = 1030.9
    tokens.accept(token.secret, ANNA)
    clock.now = 1040

    assert tokens.redeem(token.secret) is ANNA
    tokens.spend(token.secret)
    with pytest.raises(RpcError, match="AUTH_TOKEN_EXPIRED"):
        tokens.redeem(token.secret)


def test_a_token_that_nobody_accepted_redeems_nothing() -> None:
    tokens = LoginTokens(30, Clock())
    with pytest.raises(RpcError, match="AUTH_TOKEN_INVALID"):
        tokens.redeem(tokens.export(KEY, ()).secret)


def test_no_secret_shows_in_a_token_or_a_key() -> None:
    token = LoginTokens(30, Clock()).export(KEY, ())

    assert repr(token.secret) not in repr(token)
    assert repr(KEY.secret) not in repr(KEY)
