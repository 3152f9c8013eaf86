"""One TCP connection: packets in, messages judged and handled, packets out."""

import asyncio
import struct
import time

from telethon.tl import types

from ops.sandbox import encryption, services, tl
from ops.sandbox.call import Call
from ops.sandbox.errors import ProtocolViolation, RpcError
from ops.sandbox.key_exchange import KeyExchange, NewKey
from ops.sandbox.keys import AuthKey, new_hash
from ops.sandbox.messages import Message, container
from ops.sandbox.outbox import Outbox
from ops.sandbox.rpc import answer
from ops.sandbox.session import BadMessage, Session, id_fault
from ops.sandbox.transports import Wire
from ops.sandbox.world import World

_KEY_NOT_FOUND = 404
_PLAIN_HEAD = struct.Struct("<qqi")


class Connection:
    """A client of data centre `dc_id`."""

    def __init__(self, world: World, dc_id: int, wire: Wire, writer: asyncio.StreamWriter) -> None:
        self.world = world
        self.dc_id = dc_id
        self.peer = "{}:{}".format(*writer.get_extra_info("peername")[:2])
        self.since = time.time()
        self.was_revoked = False
        self._wire = wire
        self._writer = writer
        self._exchange = KeyExchange(world.rsa_key, dc_id, self._key_made)
        self._sessions: dict[tuple[AuthKey, int], Session] = {}
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether the client can still be reached, as far as this side knows."""
        return not self._writer.is_closing()

    async def serve(self) -> None:
        """Answer the client until it, or its mistake, or its silence after `ping_delay_disconnect`, ends this."""
        try:
            while self.is_open:
                self._take(await self._wire.receive())
                await self._writer.drain()
        except ProtocolViolation:
            return
        finally:
            self.close_after(None)

    def close(self) -> None:
        """End the connection once what is queued is sent."""
        self._writer.close()

    def close_after(self, delay: float | None) -> None:
        """End the connection in `delay` seconds unless this is called again; None takes that back."""
        if self._deadline is not None:
            self._deadline.cancel()
        loop = asyncio.get_running_loop()
        self._deadline = None if delay is None else loop.call_later(delay, self.close)

    def refuse_key(self) -> None:
        """Say that the key is not known here, and end the connection."""
        self._wire.send_error(_KEY_NOT_FOUND)
        self.close()

    def push(self, key: AuthKey, update: tl.Tl) -> None:
        """Send an update to the sessions that `key` has here, those excepted that want none."""
        for (owner, _), session in self._sessions.items():
            if owner is key and session.wants_updates:
                outbox = Outbox(session)
                outbox.add(tl.write(update), is_answer=False)
                self._send(key, session, outbox)

    def end_session(self, key: AuthKey, session_id: int) -> bool:
        """Forget a session of `key`; False if there is none here."""
        return self._sessions.pop((key, session_id), None) is not None

    def _take(self, packet: bytes) -> None:
        if packet.startswith(bytes(8)):
            self._take_plain(packet)
            return
        key = self.world.keys.find(self.dc_id, int.from_bytes(packet[:8], "little"))
        if key is None:
            self.refuse_key()
            return
        envelope = encryption.opened(key.secret, packet)
        self.world.note_use(key, self)
        message = Message(envelope.msg_id, envelope.seq_no, tl.unzipped(envelope.body))
        session = self._sessions.get((key, envelope.session_id))
        is_new = session is None
        session = session or Session(envelope.session_id, self.world.message_ids)
        outbox = Outbox(session)
        if self._is_in_order(key, envelope.salt, message, outbox):
            if is_new:
                self._open_session(key, session, message, outbox)
            self._take_messages(key, session, message, outbox)
        self.world.save()
        self._send(key, session, outbox)

    def _is_in_order(self, key: AuthKey, salt: int, message: Message, outbox: Outbox) -> bool:
        """Judge what belongs to the packet as a whole; a refusal goes to the outbox."""
        now = time.time()
        fault = id_fault(message.msg_id, now)
        if fault is None and not key.accepts_salt(salt, now):
            refusal = types.BadServerSalt(message.msg_id, message.seq_no, BadMessage.BAD_SALT, key.salt(now))
            outbox.add(bytes(refusal), is_content=False)
            return False
        if fault is not None:
            outbox.refuse(message, fault)
        return fault is None

    def _open_session(self, key: AuthKey, session: Session, message: Message, outbox: Outbox) -> None:
        self._sessions[key, session.id] = session
        first = min(inner.msg_id for inner in (message, *message.unpacked()))
        born = types.NewSessionCreated(first, new_hash(), key.salt(time.time()))
        outbox.add(bytes(born), is_answer=False)

    def _take_messages(self, key: AuthKey, session: Session, message: Message, outbox: Outbox) -> None:
        if message.is_container:
            if session.has_received(message.msg_id):
                outbox.refuse(message, BadMessage.CONTAINER_ID_TAKEN)
                return
            if any(inner.msg_id >= message.msg_id for inner in message.unpacked()):
                outbox.refuse(message, BadMessage.BAD_CONTAINER)
                return
        for inner in message.unpacked():
            self._take_message(key, session, inner, outbox)
        if message.is_container:
            session.received(message)

    def _take_message(self, key: AuthKey, session: Session, message: Message, outbox: Outbox) -> None:
        if session.has_received(message.msg_id):
            outbox.acknowledge(message)
            return
        try:
            content = tl.read(message.body)
        except RpcError as unreadable:
            session.received(message)
            outbox.add(services.result(message.msg_id, unreadable))
            return
        fault = session.sequence_fault(message, content)
        if fault is not None:
            outbox.refuse(message, fault)
            return
        session.received(message)
        call = Call(self.world, self, key, session, message, content, outbox)
        service = services.SERVICES.get(type(content))
        if service is not None:
            service(call)
        else:
            outbox.add(services.result(message.msg_id, answer(call)))

    def _send(self, key: AuthKey, session: Session, outbox: Outbox) -> None:
        messages = outbox.messages
        if not messages:
            return
        only = messages[0]
        if len(messages) > 1:
            only = session.numbered(container(messages), is_answer=False, is_content=False)
        salt = key.salt(time.time())
        self._wire.send(encryption.sealed(key.secret, key.id, salt, session.id, bytes(only)))

    def _take_plain(self, packet: bytes) -> None:
        if len(packet) < _PLAIN_HEAD.size:
            raise ProtocolViolation("a packet that is cut off")
        request, _ = tl.read_measured(packet[_PLAIN_HEAD.size :])
        if isinstance(request, types.MsgsAck):
            return
        body = bytes(self._exchange.answer(request))
        self.world.save()
        self._wire.send(_PLAIN_HEAD.pack(0, self.world.message_ids.next(is_answer=True), len(body)) + body)

    def _key_made(self, new: NewKey) -> None:
        self.world.keys.create(self.dc_id, new.secret, new.first_salt)
