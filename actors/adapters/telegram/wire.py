"""The one connection of a session: a Telethon client on some key, watched until it ends. All asyncio code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from telethon import events, types

from actors.adapters.telegram.app import TelegramApp, new_client
from actors.adapters.telegram.client import GuardedClient
from actors.adapters.telegram.live_session import LiveSession
from actors.guard import Guard


class Wire:
    """At most one connected client at any moment, whose connection is under `guard`.

    `app` is what the next connection presents itself as; there is none until it is set. `scanned()` is called when
    a phone accepted a QR token, `ended(error)` when the connection ends by itself; `error` is why, as far as
    Telethon knows.
    """

    def __init__(
        self, guard: Guard, scanned: Callable[[], None], ended: Callable[[BaseException | None], None]
    ) -> None:
        self.app: TelegramApp | None = None
        self._guard = guard
        self._scanned = scanned
        self._ended = ended
        self._client: GuardedClient | None = None
        self._watched: asyncio.Future[None] | None = None

    @property
    def session(self) -> LiveSession | None:
        """The key in use."""
        return None if self._client is None else self._client.session

    @property
    def is_connected(self) -> bool:
        """Whether a call would need no new connection."""
        # Watched: a client whose connect was cut short may look connected, and has not said who it is.
        return self._client is not None and self._watched is not None and self._client.is_usable

    async def client_on(self, session: LiveSession) -> GuardedClient:
        """The client on this key, connected. One that lost its connection is never used again."""
        if self._client is not None and self.session is session and self.is_connected:
            return self._client
        await self.close()
        client = self._client = self.new_client(session)
        client.add_event_handler(self._token_accepted, events.Raw(types.UpdateLoginToken))
        await self._connect(client)
        return client

    def new_client(self, session: LiveSession) -> GuardedClient:
        """A client on this key, not connected, that presents itself as `app`."""
        if self.app is None:
            raise RuntimeError("nobody has said what to present this connection as")
        return new_client(self.app, session, self._guard)

    async def switch_dc(self, dc_id: int) -> None:
        """Go over to another data centre with the same client, as a QR token's migration demands."""
        client, self._watched = self._client, None  # this connection is about to end, and should
        if client is None:
            raise RuntimeError("there is no connection to go over from")
        await client._switch_dc(dc_id)  # noqa: SLF001 - what Telethon's own QRLogin does
        self._watch(client)

    async def close(self) -> None:
        """Close the connection that is open, if any, and expect its end. The data centre has a moment for its own."""
        client, self._client, self._watched = self._client, None, None
        if client is not None:
            await client.disconnect()

    async def _connect(self, client: GuardedClient) -> None:
        try:
            await client.connect()
        except BaseException:
            await client.disconnect()  # what is connected half is of no use, and must not stay open
            raise
        self._watch(client)

    async def _token_accepted(self, _update: types.UpdateLoginToken) -> None:
        self._scanned()

    def _watch(self, client: GuardedClient) -> None:
        disconnected = self._watched = client.disconnected

        def ended(future: asyncio.Future[None]) -> None:
            error = None if future.cancelled() else future.exception()
            if self._watched is disconnected:
                self._ended(client._updates_error or error)  # noqa: SLF001 - why its update loop gave up

        disconnected.add_done_callback(ended)
