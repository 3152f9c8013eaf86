"""How a Telethon client is turned to the sandbox and away from Telegram."""

from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.sessions.abstract import Session

from ops.sandbox.description import SandboxDescription


def trust(description: SandboxDescription) -> None:
    """Make Telethon in this process trust the sandbox and nobody else.

    It forgets Telegram's RSA keys, so that it cannot make a key with a real data centre even by mistake, and
    the addresses of a former sandbox, which it keeps for the process and not for the client.
    """
    rsa._server_keys.clear()  # noqa: SLF001 - Telethon offers no other way
    rsa.add_key(description.rsa_public_key, old=False)
    TelegramClient._config = None  # noqa: SLF001 - as above


def home(session: Session, description: SandboxDescription, dc_id: int | None = None) -> Session:
    """The same session, told to begin at the sandbox: at `dc_id`, or where new sessions begin."""
    session.set_dc(*description.dc(dc_id or description.home_dc))
    return session
