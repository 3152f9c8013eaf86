"""One TCP connection: packets in, messages judged and handled, packets out."""

import asyncio
import socket
import struct
import time
from functools import partial

from telethon.tl import functions, types

from ops.sandbox import encryption, services, tl
from ops.sandbox.call import Call
from ops.sandbox.errors import ProtocolViolation, RpcError
from ops.sandbox.faults import AT_OPENING, Occasion
from ops.sandbox.key_exchange import KeyExchange, NewKey
from ops.sandbox.keys import AuthKey, new_hash
from ops.sandbox.live import FirstWords
from ops.sandbox.messages import Message, container
from ops.sandbox.outbox import Outbox
from ops.sandbox.outgoing import Outgoing
from ops.sandbox.rpc import answer
from ops.sandbox.session import Session, id_fault
from ops.sandbox.transports import Wire
from ops.sandbox.world import World

_KEY_NOT_FOUND = 404
_PLAIN_HEAD = struct.Struct("<qqi")
_NOWHERE = ("gone", 0)
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection:
    """A client of data centre `dc_id`."""

    def __init__(self, world: World, dc_id: int, wire: Wire, writer: asyncio.StreamWriter) -> None:
        self.dc_id = dc_id
        self.peer = "{}:{}".format(*(writer.get_extra_info("peername") or _NOWHERE))
        self.since = time.time()
        self.was_revoked = False
        self._world = world
        self._wire = wire
        self._writer = writer
        self._outgoing = Outgoing(world.faults, lambda: self.is_open)
        self._exchange = KeyExchange(world.rsa_key, dc_id, self._keep, world.clock)
        self._sessions: dict[tuple[AuthKey, int], Session] = {}
        self._deadline: asyncio.TimerHandle | None = None
        self._has_spoken = False

    @property
    def is_open(self) -> bool:
        """Whether the client can still be reached, as far as this side knows."""
        return not self._writer.is_closing()

    async def serve(self) -> None:
        """Answer the client until it leaves, breaks the protocol, or outstays `ping_delay_disconnect`."""
        try:
            while self.is_open:
                self._take(await self._wire.receive())
                await self._writer.drain()
        finally:
            self.close_after(None)

    def close_after(self, delay: float | None) -> None:
        """End the connection in `delay` seconds unless this is called again; None takes that back."""
        if self._deadline is not None:
            self._deadline.cancel()
        loop = asyncio.get_running_loop()
        self._deadline = None if delay is None else loop.call_later(delay, self._writer.close)

    def refuse_key(self) -> None:
        """Say that the key is not known here, and end the connection."""

        def refuse() -> None:
            self._wire.send_error(_KEY_NOT_FOUND)
            self._writer.close()

        self._outgoing.do(refuse, Occasion(self.dc_id))

    def hang_up(self, *, by_reset: bool = False) -> None:
        """End the connection, in order or by a TCP reset."""
        if by_reset:
            tcp = self._writer.get_extra_info("socket")
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._writer.transport.abort()
        else:
            self._writer.close()

    def end_session(self, key: AuthKey, session_id: int) -> bool:
        """Forget a session of `key`; False if there is none here."""
        return self._sessions.pop((key, session_id), None) is not None

    def push(self, key: AuthKey, update: tl.Tl) -> None:
        """Send an update to the sessions that `key` has here, those excepted that want none."""
        for (owner, _), session in self._sessions.items():
            if owner is key and session.wants_updates:
                outbox = Outbox(session)
                outbox.add(tl.write(update), is_answer=False)
                self._send(key, session, outbox)

    def _take(self, packet: bytes) -> None:
        if packet.startswith(bytes(8)):
            self._take_plain(packet)
            return
        key = self._world.keys.find(self.dc_id, int.from_bytes(packet[:8], "little"))
        if key is None:
            self.refuse_key()
            return
        envelope = encryption.opened(key.secret, packet)
        self._refuse_if_new(key)
        self._world.note_use(key, self)
        session = self._sessions.get((key, envelope.session_id))
        session = session or Session(envelope.session_id, self._world.message_ids)
        outbox = Outbox(session)
        accepted = self._accepted(key, session, envelope, outbox)
        self._note_words(key, envelope, is_accepted=bool(accepted))
        for message in accepted:
            self._handle(key, session, message, outbox)
        # Saved before answered: a login that a client was told of survives a kill.
        self._world.save()
        self._send(key, session, outbox)

    def _refuse_if_new(self, key: AuthKey) -> None:
        """End the connection as its first words show that a rule refuses it."""
        occasion = Occasion(self.dc_id, self._world.phone_of(key))
        is_new = key not in self._world.live.keys_on(self)
        if is_new and self._world.faults.strike(occasion, AT_OPENING):
            raise ConnectionAbortedError

    def _accepted(
        self, key: AuthKey, session: Session, envelope: encryption.Envelope, outbox: Outbox
    ) -> list[Message]:
        """The messages of a packet that is in order as a whole; none when the outbox has its refusal."""
        now = self._world.clock()
        message = Message(envelope.msg_id, envelope.seq_no, tl.unzipped(envelope.body))
        fault = id_fault(message.msg_id, now)
        if fault is None and not key.accepts_salt(envelope.salt, now):
            outbox.correct_salt(message, key.salt(now))
            return []
        inner = message.unpacked()
        fault = fault or session.container_fault(message, inner)
        if fault is not None:
            outbox.refuse(message, fault)
            return []
        if message.is_container:
            session.received(message)
        self._open(key, session, inner, outbox)
        return inner

    def _note_words(self, key: AuthKey, envelope: encryption.Envelope, *, is_accepted: bool) -> None:
        """Remember what was said first here."""
        if self._has_spoken:
            return
        self._has_spoken = is_accepted
        whole = Message(envelope.msg_id, envelope.seq_no, tl.unzipped(envelope.body))
        said = [_read(message.body) for message in whole.unpacked()]
        methods = tuple(map(tl.method_name, said))
        first = said[0] if said else None
        delay = first.disconnect_delay if isinstance(first, functions.PingDelayDisconnectRequest) else None
        phone = self._world.phone_of(key)
        words = FirstWords(self.dc_id, self.peer, phone, methods, delay, is_accepted)
        self._world.first_words.append(words)

    def _open(self, key: AuthKey, session: Session, messages: list[Message], outbox: Outbox) -> None:
        """Tell the client when its session is new here."""
        if (key, session.id) not in self._sessions:
            self._sessions[key, session.id] = session
            first = min((message.msg_id for message in messages), default=0)
            born = types.NewSessionCreated(first, new_hash(), key.salt(self._world.clock()))
            outbox.add(bytes(born), is_answer=False)

    def _handle(self, key: AuthKey, session: Session, message: Message, outbox: Outbox) -> None:
        if session.has_received(message.msg_id):
            outbox.acknowledge(message)
            return
        try:
            content = tl.read(message.body)
        except RpcError as unreadable:
            session.received(message)
            outbox.add(services.result(message.msg_id, unreadable))
            return
        fault = id_fault(message.msg_id, self._world.clock()) or session.sequence_fault(message, content)
        if fault is not None:
            outbox.refuse(message, fault)
            return
        session.received(message)
        call = Call(self._world, self, key, session, message, content, outbox)
        service = services.SERVICES.get(type(content))
        if service is not None:
            service(call)
        else:
            outbox.add(services.result(message.msg_id, answer(call)))

    def _send(self, key: AuthKey, session: Session, outbox: Outbox) -> None:
        if not outbox.messages:
            return
        whole = outbox.messages[0]
        if len(outbox.messages) > 1:
            whole = session.numbered(container(outbox.messages), is_answer=False, is_content=False)
        salt = key.salt(self._world.clock())
        packet = encryption.sealed(key.secret, key.id, salt, session.id, bytes(whole))
        phone = outbox.phone or self._world.phone_of(key)
        self._release(packet, Occasion(self.dc_id, phone, tuple(outbox.methods)))

    def _release(self, packet: bytes, occasion: Occasion) -> None:
        self._outgoing.do(partial(self._wire.send, packet), occasion)

    def _take_plain(self, packet: bytes) -> None:
        if len(packet) < _PLAIN_HEAD.size:
            raise ProtocolViolation("a packet that is cut off")
        request, _ = tl.read_measured(packet[_PLAIN_HEAD.size :])
        # Some clients acknowledge the steps of the exchange, which asks for nothing.
        if isinstance(request, types.MsgsAck):
            return
        body = bytes(self._exchange.answer(request))
        self._world.save()
        head = _PLAIN_HEAD.pack(0, self._world.message_ids.next(is_answer=True), len(body))
        self._release(head + body, Occasion(self.dc_id))

    def _keep(self, new: NewKey) -> None:
        self._world.counts.key_exchanges[self.dc_id] += 1
        self._world.keys.create(self.dc_id, new.secret, new.first_salt)


def _read(body: bytes) -> tl.Tl:
    try:
        return tl.read(body)
    except RpcError:
        return None
