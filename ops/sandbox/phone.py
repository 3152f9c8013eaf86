"""The pretend phone: a second Telethon client, logged in as an account, that scans login codes."""

import asyncio

from telethon import TelegramClient
from telethon.sessions import StringSession
from telethon.tl.functions.auth import AcceptLoginTokenRequest

from ops.sandbox.description import SandboxDescription, token_of
from ops.sandbox.remote import ask


async def scan(description: SandboxDescription, account_phone: str, url: str) -> None:
    """Scan a `tg://login?token=…` url with the phone of an account, over MTProto like any Telegram app.

    The phone logs in through the control interface, accepts, and logs out again. telethon.errors.RPCError when
    the token lets nobody in, LookupError when the sandbox has no such account, OSError when nobody is there.
    """
    token = token_of(url)
    session = await asyncio.to_thread(_provision, description, account_phone)
    client = TelegramClient(
        StringSession(session),
        description.api_id,
        description.api_hash,
        device_model="SANDBOX phone",
        receive_updates=False,
    )
    await client.connect()
    try:
        await client(AcceptLoginTokenRequest(token))
        await client.log_out()
    finally:
        await client.disconnect()


def _provision(description: SandboxDescription, phone: str) -> str:
    return str(ask(description, "POST", "/provision", {"phone": phone})["session"])
