"""Telethon's client under guard: one connection, and no ping of its own."""

# What Telethon keeps to itself is this module's subject; 1.45 is pinned.
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NoReturn

from telethon import TelegramClient, utils

from actors.adapters.telegram.guarded import GuardedConnection
from actors.adapters.telegram.live_session import LiveSession
from actors.adapters.telegram.sender import GuardedSender
from actors.guard import Guard

SAVE_EVERY = 60.0
"""Telethon's own interval."""


class GuardedClient(TelegramClient):  # type: ignore[misc]  # telethon publishes no types
    """A client whose connections are under guard, one at a time."""

    def __init__(self, session: LiveSession, *args: Any, guard: Guard, **options: Any) -> None:
        super().__init__(session, *args, **options)
        self._sender = GuardedSender(
            guard,
            session.auth_key,
            loggers=self._log,
            retries=self._connection_retries,
            delay=self._retry_delay,
            auto_reconnect=self._auto_reconnect,
            connect_timeout=self._timeout,
            auth_key_callback=self._auth_key_callback,
            updates_queue=self._updates_queue,
            auto_reconnect_callback=self._handle_auto_reconnect,
        )
        self._sender._state.salt = session.salt
        # Telethon insists on a class when it is made, and only ever calls what it was given.
        self._connection = partial(GuardedConnection, guard=guard, pack_ping=self._sender.pack_ping)

    @property
    def is_usable(self) -> bool:
        """Whether a request would be heard. `is_connected` is still true of a connection that was just aborted."""
        return bool(self.is_connected() and self._sender._transport_connected())

    async def _disconnect(self) -> None:
        """Remember what the next connection on this key can begin with."""
        if self.session.auth_key is not None:  # else it leaves for another data centre
            self.session.salt = self._sender._state.salt
        await super()._disconnect()

    async def _keepalive_loop(self) -> None:
        """Keep how far the updates are known, as Telethon does; to ping is up to the guard."""
        while self.is_connected():
            await asyncio.wait([self._sender._disconnected], timeout=SAVE_EVERY)
            if self.is_connected():
                await self._save_states_and_entities()
                await utils.maybe_async(self.session.save())

    async def _save_states_and_entities(self) -> None:
        """Keep how far the updates are known, if that is known: Telethon would keep that nothing is."""
        if not self._message_box.is_empty():
            await super()._save_states_and_entities()

    async def _create_exported_sender(self, dc_id: int) -> NoReturn:
        """Telethon would open a second connection."""
        raise ConnectionError(f"a session has one connection, and it is not to data centre {dc_id}")


class HomeClient(GuardedClient):
    """A client that is logged in, and stays in the data centre that its key is good in."""

    async def _switch_dc(self, new_dc: int) -> None:
        """Telethon would go there with a fresh key, over the one that is logged in."""
        raise ConnectionError(f"Telegram sends a session that is logged in on to data centre {new_dc}")
