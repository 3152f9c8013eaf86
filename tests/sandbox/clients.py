"""Telethon clients of a sandbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from telethon import TelegramClient
from telethon.sessions import StringSession

from ops.sandbox import Sandbox, SandboxDescription
from ops.sandbox.client import home, trust

ANNA = "9996621001"
BORIS = "9996621002"
CLARA = "9996611003"
BORIS_PASSWORD = "sandbox-2fa"


@asynccontextmanager
async def started(sandbox: Sandbox | None = None) -> AsyncIterator[Sandbox]:
    """A running sandbox that Telethon in this process trusts."""
    async with sandbox or Sandbox() as running:
        trust(running.description)
        yield running


@asynccontextmanager
async def connected(
    description: SandboxDescription, session: str | None = None, **options: Any
) -> AsyncIterator[TelegramClient]:
    """A connected client: with `session`, or new at the home DC."""
    client = unconnected(description, session, **options)
    try:
        await client.connect()
        yield client
    finally:
        await client.disconnect()
        # Telethon keeps the reason of a broken connection here, and asyncio complains when nobody looks.
        await asyncio.gather(client.disconnected, return_exceptions=True)


def unconnected(
    description: SandboxDescription, session: str | None = None, **options: Any
) -> TelegramClient:
    """A client that tries everything once only."""
    store = home(StringSession(), description) if session is None else StringSession(session)
    # Two tries, because Telethon itself spoils one key exchange in 256.
    settings = {"connection_retries": 2, "retry_delay": 0, "request_retries": 1, "flood_sleep_threshold": 0}
    return TelegramClient(store, description.api_id, description.api_hash, **settings | options)


async def log_in_by_qr(client: TelegramClient, accept: Callable[[str], Awaitable[None] | None]) -> Any:
    """Show a code, let `accept` scan it once somebody waits, and return the user."""
    code = await client.qr_login()
    waiting = asyncio.create_task(code.wait())
    await asyncio.sleep(0)
    scanned = accept(code.url)
    if scanned is not None:
        await scanned
    return await waiting


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until something that a client or the sandbox does in the background has happened."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError
