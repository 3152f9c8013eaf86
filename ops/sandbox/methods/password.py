"""The 2FA password (core.telegram.org/api/srp)."""

import secrets

from telethon.tl import types

from ops.sandbox import srp, tl, views
from ops.sandbox.call import Call
from ops.sandbox.errors import RpcError

_RANDOM = 256


def get_password(call: Call) -> tl.Tl:
    """account.getPassword: a question that only who knows the password can answer."""
    account = call.account
    new = {
        "new_algo": srp.algorithm(),
        "new_secure_algo": types.SecurePasswordKdfAlgoUnknown(),
        "secure_random": secrets.token_bytes(_RANDOM),
    }
    if account.password is None:
        return types.account.Password(**new)
    challenge = srp.challenge(account.password)
    call.world.challenges[call.key] = challenge
    return types.account.Password(
        **new,
        has_password=True,
        current_algo=srp.algorithm(),
        srp_B=challenge.public,
        srp_id=challenge.id,
        hint=account.hint,
    )


def check_password(call: Call) -> tl.Tl:
    """auth.checkPassword: log in completely. Each question takes one answer."""
    account, answer = call.account, call.request.password
    if account.password is None or not isinstance(answer, types.InputCheckPasswordSRP):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    challenge = call.world.challenges.pop(call.key, None)
    if challenge is None or challenge.id != answer.srp_id:
        raise RpcError(400, "SRP_ID_INVALID")
    if not challenge.is_met_by(answer):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    call.world.keys.authorize(call.key, account.user_id)
    return views.login(account)
