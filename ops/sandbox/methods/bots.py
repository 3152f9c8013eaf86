"""Login of a bot by its token."""

from ops.sandbox import tl
from ops.sandbox.call import Call
from ops.sandbox.errors import RpcError
from ops.sandbox.methods.admission import admit, require_app


def import_bot_authorization(call: Call) -> tl.Tl:
    """auth.importBotAuthorization: log in, or send the client to the bot's own data centre."""
    require_app(call)
    bot = call.world.accounts.by_bot_token(call.request.bot_auth_token)
    if bot is None:
        raise RpcError(400, "ACCESS_TOKEN_INVALID")
    if bot.dc_id != call.dc_id:
        raise RpcError(303, f"USER_MIGRATE_{bot.dc_id}")
    return admit(call, bot)
