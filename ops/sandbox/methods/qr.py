"""Login by QR code (core.telegram.org/api/qr-login)."""

from telethon.tl import types

from ops.sandbox import tl, views
from ops.sandbox.accounts import Account
from ops.sandbox.call import Call
from ops.sandbox.methods.admission import admit, require_app
from ops.sandbox.tokens import LoginToken
from ops.sandbox.world import World


def export_login_token(call: Call) -> tl.Tl:
    """auth.exportLoginToken: a token to show, or what became of the one that was shown."""
    require_app(call)
    if call.key.user_id is not None:
        return types.auth.LoginTokenSuccess(views.login(call.account))
    token = call.world.tokens.export(call.key, tuple(call.request.except_ids))
    if token.account is None:
        return types.auth.LoginToken(views.moment(token.expires + call.world.clock.skew), token.secret)
    if token.account.dc_id != call.dc_id:
        return types.auth.LoginTokenMigrateTo(token.account.dc_id, token.secret)
    return _success(call, token.secret, token.account)


def import_login_token(call: Call) -> tl.Tl:
    """auth.importLoginToken: finish, on the account's own data centre, a login that began on another."""
    account = call.world.tokens.redeem(call.request.token)
    if account.dc_id != call.dc_id:
        return types.auth.LoginTokenMigrateTo(account.dc_id, call.request.token)
    return _success(call, call.request.token, account)


def accept_login_token(call: Call) -> tl.Tl:
    """auth.acceptLoginToken: let the client in that shows the token."""
    token = accept(call.world, call.request.token, call.account)
    return views.authorization(token.key, 0)


def accept(world: World, secret: bytes, account: Account) -> LoginToken:
    """Accept a token for an account, and tell the client that shows it."""
    token = world.tokens.accept(secret, account)
    world.live.push(token.key, types.UpdateShort(types.UpdateLoginToken(), views.moment(world.clock())))
    return token


def _success(call: Call, secret: bytes, account: Account) -> tl.Tl:
    success = types.auth.LoginTokenSuccess(admit(call, account))
    # Not before: with a password to come, the same token leads here once more.
    call.world.tokens.spend(secret)
    return success
