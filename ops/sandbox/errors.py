"""What can go wrong in a conversation: a refusal that is answered, and nonsense that ends the connection."""

from telethon.errors import rpc_message_to_error
from telethon.tl.types import RpcError as TlRpcError


class RpcError(Exception):
    """A refusal, answered as `rpc_error` with Telegram's code and name (core.telegram.org/api/errors)."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(f"{code} {name}")
        self.code = code
        self.name = name


class ProtocolViolation(Exception):
    """The peer broke MTProto in a way that leaves nothing to answer: its connection is closed."""


def usual_code(name: str) -> int:
    """The code that Telegram sends with an error name, by Telethon's own table; 400 when it has none."""
    error = rpc_message_to_error(TlRpcError(400, name), None)
    return error.code or 400
