"""One message of a client on its way to whoever answers it."""

from dataclasses import dataclass

from ops.sandbox import tl
from ops.sandbox.accounts import Account
from ops.sandbox.errors import RpcError
from ops.sandbox.keys import AuthKey
from ops.sandbox.live import Line
from ops.sandbox.messages import Message
from ops.sandbox.outbox import Outbox
from ops.sandbox.session import Session
from ops.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """A request, and everything its answer may depend on."""

    world: World
    line: Line
    key: AuthKey
    session: Session
    message: Message
    request: tl.Tl
    outbox: Outbox

    @property
    def dc_id(self) -> int:
        """The data centre that was called."""
        return self.line.dc_id

    @property
    def account(self) -> Account:
        """The account that is logged in, even if its password is still to come; RpcError 401 if none is."""
        here = self.key.authorization
        if here is None:
            raise RpcError(401, "SESSION_REVOKED" if self.line.was_revoked else "AUTH_KEY_UNREGISTERED")
        return self.world.accounts.by_id(here.user_id)
