"""Where an account is logged in, and how that ends."""

from telethon.tl import types

from ops.sandbox import tl, views
from ops.sandbox.accounts import Account
from ops.sandbox.call import Call
from ops.sandbox.errors import RpcError
from ops.sandbox.keys import AuthKey
from ops.sandbox.world import World

_YEAR = 365


def log_out(call: Call) -> tl.Tl:
    """auth.logOut: end the caller's own login."""
    call.world.keys.deauthorize(call.key)
    return types.auth.LoggedOut()


def get_authorizations(call: Call) -> tl.Tl:
    """account.getAuthorizations: every login of the account, the caller's own with hash 0."""
    lines = []
    for key in call.world.keys.of_account(call.account.user_id):
        if key.authorization is not None:
            shown = 0 if key is call.key else key.authorization.hash
            lines.append(views.authorization(key, shown, is_pending=key.authorization.password_pending))
    return types.account.Authorizations(_YEAR, lines)


def reset_authorization(call: Call) -> tl.Tl:
    """account.resetAuthorization: end another login of the account."""
    if not revoke(call.world, call.account, call.request.hash):
        raise RpcError(400, "HASH_INVALID")
    return True


def reset_authorizations(call: Call) -> tl.Tl:
    """auth.resetAuthorizations: end every other login of the account."""
    for key in call.world.keys.of_account(call.account.user_id):
        if key is not call.key:
            _revoke_key(call.world, key)
    return True


def revoke(world: World, account: Account, authorization_hash: int | None, *, silent: bool = False) -> int:
    """End one login of an account, or all with None; how many that were."""
    keys = world.keys.of_account(account.user_id)
    revoked = [
        key for key in keys if key.authorization and authorization_hash in (None, key.authorization.hash)
    ]
    for key in revoked:
        _revoke_key(world, key, silent=silent)
    return len(revoked)


def _revoke_key(world: World, key: AuthKey, *, silent: bool = False) -> None:
    """Log out, and make connected clients ask, whereupon they are told (as Telegram does).

    `silent` leaves that out, as if the push had been lost: then they learn it from the first method they call.
    """
    world.keys.deauthorize(key)
    for line in world.live.of(key):
        line.was_revoked = True
        if not silent:
            line.push(key, types.UpdatesTooLong())
