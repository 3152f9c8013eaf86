"""Telethon's sender with our pings: the first words over each connection, and later ones as its guard wishes."""

# What Telethon keeps to itself is this module's subject; 1.45 is pinned.
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import struct
from typing import Any

from telethon.network import MTProtoSender
from telethon.network.requeststate import RequestState
from telethon.tl import functions, types

from actors.adapters.telegram.guarded import NotOwned
from actors.guard import Guard

_HEAD = struct.Struct("<qii")


class KeyNotMade(Exception):
    """The guard did not let a key be made. No OSError: Telethon would try it again."""


class GuardedSender(MTProtoSender):  # type: ignore[misc]  # telethon publishes no types
    """A sender whose data centre closes the connection by itself, once nobody pings any more."""

    def __init__(self, guard: Guard, auth_key: Any, **options: Any) -> None:
        super().__init__(auth_key, **options)
        self._guard = guard
        self._ping_id = 0
        self._ping_message: int | None = None  # of the last ping that Telethon's queue knows nothing of

    def pack_ping(self) -> bytes | None:
        """A packet with the next ping, to be written at once; None while no encrypted packet can be sent.

        It is made by hand, and not queued: it has to leave in the step in which it is allowed.
        """
        if not self._user_connected or not self.auth_key:
            return None
        if self._pending_ack:
            # Telethon acknowledges when it has something to send, which may be never. Not from here: who wishes for
            # the ping may be no asyncio code, and what is queued needs a future.
            self._send_loop_handle.get_loop().call_soon(self._queue_acknowledgements)
        body = bytes(self._next_ping())
        state = self._state
        self._ping_message = state._get_new_msg_id()
        # As other clients number it: a ping asks for no acknowledgement.
        head = _HEAD.pack(self._ping_message, state._get_seq_no(content_related=False), len(body))
        packet: bytes = state.encrypt_message_data(head + body)
        return packet

    def _next_ping(self) -> functions.PingDelayDisconnectRequest:
        self._ping_id += 1
        self._ping_message = None
        return functions.PingDelayDisconnectRequest(self._ping_id, self._guard.disconnect_delay)

    def _queue_acknowledgements(self) -> None:
        if self._pending_ack:
            acknowledgement = RequestState(types.MsgsAck(list(self._pending_ack)))
            self._pending_ack.clear()
            self._last_acks.append(acknowledgement)
            self._send_queue.append(acknowledgement)

    async def _connect(self) -> None:
        """Let a ping be the first of the first packet, before what was left over from an earlier connection."""
        await super()._connect()
        first = RequestState(self._next_ping())
        first.future.add_done_callback(_look_at)
        self._disconnected.add_done_callback(_look_at)
        self._send_queue._deque.appendleft(first)
        self._send_queue.extend(())  # wakes the loop that sends

    async def _try_gen_auth_key(self, attempt: int) -> bool:
        try:
            is_made: bool = await super()._try_gen_auth_key(attempt)
        except NotOwned as refusal:
            raise KeyNotMade from refusal
        return is_made

    async def _handle_pong(self, message: Any) -> None:
        await super()._handle_pong(message)
        self._pending_ack.discard(message.msg_id)  # it asks for none
        if message.obj.ping_id == self._ping_id:
            self._guard.pong_came()

    async def _handle_bad_server_salt(self, message: Any) -> None:
        await super()._handle_bad_server_salt(message)
        self._note_refused(message.obj.bad_msg_id)

    async def _handle_bad_notification(self, message: Any) -> None:
        await super()._handle_bad_notification(message)
        self._note_refused(message.obj.bad_msg_id)

    def _note_refused(self, msg_id: int) -> None:
        """A refused ping has arrived too. It is not sent again: the next one comes soon enough."""
        if msg_id == self._ping_message:
            self._ping_message = None
            self._guard.pong_came()


def _look_at(future: asyncio.Future[Any]) -> None:
    """Nobody waits for the first ping, nor for the end of what was never connected; asyncio wants it looked at."""
    if not future.cancelled():
        future.exception()
