"""An MTProto session: which of a client's messages are in order, and the numbering of ours.

The rules are those of core.telegram.org/mtproto/description and …/mtproto/service_messages_about_messages.
"""

from collections import OrderedDict
from enum import IntEnum

from telethon.tl import TLRequest, functions, types

from ops.sandbox import tl
from ops.sandbox.messages import Message, MessageIds

_OLDEST = 300
_NEWEST = 30
_REMEMBERED = 512
# Neither asks for an acknowledgement, so neither may take an odd number.
_UNACKNOWLEDGED = (types.MsgsAck, types.HttpWait)
# Requests by their place in the TL schema, but service messages by nature: clients number them either way.
_EITHER = (functions.PingRequest, functions.PingDelayDisconnectRequest, functions.GetFutureSaltsRequest)


class BadMessage(IntEnum):
    """Why a message is refused, as `bad_msg_notification` says it."""

    ID_TOO_LOW = 16
    ID_TOO_HIGH = 17
    ID_NOT_DIVISIBLE = 18
    CONTAINER_ID_TAKEN = 19
    SEQ_NO_TOO_LOW = 32
    SEQ_NO_TOO_HIGH = 33
    SEQ_NO_MUST_BE_EVEN = 34
    SEQ_NO_MUST_BE_ODD = 35
    BAD_SALT = 48
    BAD_CONTAINER = 64


class Session:
    """One session of one key, over one connection."""

    def __init__(self, session_id: int, ids: MessageIds) -> None:
        self.id = session_id
        self.wants_updates = True
        self._ids = ids
        self._settings = ids.clock.settings
        self._sent = 0
        self._received: OrderedDict[int, int] = OrderedDict()
        self._highest = (0, -1)

    def has_received(self, msg_id: int) -> bool:
        """Whether a message with this number came already."""
        return msg_id in self._received

    def container_fault(self, message: Message, inner: list[Message]) -> BadMessage | None:
        """What is wrong with a container around the messages `inner`, if it is one and anything is."""
        if not message.is_container:
            return None
        if self.has_received(message.msg_id):
            return BadMessage.CONTAINER_ID_TAKEN
        is_sound = bool(inner) and all(one.msg_id < message.msg_id for one in inner)
        return None if is_sound else BadMessage.BAD_CONTAINER

    def received(self, message: Message) -> None:
        """Remember that a message came, and was not refused."""
        self._received[message.msg_id] = message.seq_no
        self._highest = max(self._highest, (message.msg_id, message.seq_no))
        if len(self._received) > _REMEMBERED:
            self._received.popitem(last=False)

    def sequence_fault(self, message: Message, content: tl.Tl) -> BadMessage | None:
        """What is wrong with the message's place in the sequence, if anything."""
        self._follow_clock()
        is_odd = message.seq_no % 2 == 1
        if isinstance(content, _UNACKNOWLEDGED) and is_odd:
            return BadMessage.SEQ_NO_MUST_BE_EVEN
        if _is_query(content) and not is_odd:
            return BadMessage.SEQ_NO_MUST_BE_ODD
        return self._order_fault(message) if is_odd else None

    def _follow_clock(self) -> None:
        """Begin anew if the clock was set: the client's numbers, which are times, follow it."""
        if self._settings == self._ids.clock.settings:
            return
        self._settings = self._ids.clock.settings
        self._received.clear()
        self._highest = (0, -1)

    def _order_fault(self, message: Message) -> BadMessage | None:
        highest_id, highest_seq_no = self._highest
        if message.msg_id > highest_id:
            return BadMessage.SEQ_NO_TOO_LOW if message.seq_no <= highest_seq_no else None
        later = (seq_no for msg_id, seq_no in self._received.items() if msg_id > message.msg_id)
        return BadMessage.SEQ_NO_TOO_HIGH if any(seq_no < message.seq_no for seq_no in later) else None

    def numbered(self, body: bytes, *, is_answer: bool, is_content: bool) -> Message:
        """A message of ours; `is_content` when the client has to acknowledge it."""
        seq_no = self._sent * 2 + is_content
        self._sent += is_content
        return Message(self._ids.next(is_answer=is_answer), seq_no, body)


def id_fault(msg_id: int, now: float) -> BadMessage | None:
    """What is wrong with a client's message number, if anything: it is the time, and divisible by four."""
    if msg_id % 4:
        return BadMessage.ID_NOT_DIVISIBLE
    age = now - (msg_id >> 32)
    if age > _OLDEST:
        return BadMessage.ID_TOO_LOW
    return BadMessage.ID_TOO_HIGH if age < -_NEWEST else None


def _is_query(content: tl.Tl) -> bool:
    return isinstance(content, TLRequest) and not isinstance(content, _EITHER)
