"""What every way to log in has in common."""

from ops.sandbox import tl, views
from ops.sandbox.accounts import Account
from ops.sandbox.call import Call
from ops.sandbox.description import is_made_up, made_up_hash
from ops.sandbox.errors import RpcError


def require_app(call: Call) -> None:
    """Refuse every application but the sandbox's own and made-up ones, so that no real api_hash is of use here."""
    app = call.world.description
    api_id, api_hash = call.request.api_id, call.request.api_hash
    if (api_id, api_hash) == (app.api_id, app.api_hash):
        return
    if not is_made_up(api_id) or api_hash != made_up_hash(api_id):
        raise RpcError(400, "API_ID_INVALID")


def admit(call: Call, account: Account) -> tl.Tl:
    """Log `account` in with the caller's key; 401 SESSION_PASSWORD_NEEDED when its password has to follow."""
    if account.password is not None:
        call.world.keys.authorize(call.key, account.user_id, password_pending=True)
        raise RpcError(401, "SESSION_PASSWORD_NEEDED")
    call.world.keys.authorize(call.key, account.user_id)
    return views.login(account)
