"""A small Telegram of our own on loopback: real MTProto for an unmodified Telethon, no real account.

It speaks one layer of Telegram's schema, that of the installed Telethon.
"""

from ops.sandbox.description import SandboxDescription
from ops.sandbox.errors import RpcError
from ops.sandbox.sandbox import Sandbox

__all__ = ["RpcError", "Sandbox", "SandboxDescription"]
