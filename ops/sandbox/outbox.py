"""What one packet of a client is answered with: the messages for one packet back."""

from telethon.tl import types

from ops.sandbox.messages import Message
from ops.sandbox.session import BadMessage, Session


class Outbox:
    """Messages of ours for one session, in order."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.messages: list[Message] = []
        self.methods: list[str] = []
        self.phone: str | None = None

    def add(self, body: bytes, *, is_answer: bool = True, is_content: bool = True) -> None:
        """Queue one message."""
        self.messages.append(self._session.numbered(body, is_answer=is_answer, is_content=is_content))

    def concerns(self, method: str, phone: str | None) -> None:
        """Note which method is answered here, and whom it is about."""
        self.methods.append(method)
        self.phone = phone or self.phone

    def correct_salt(self, message: Message, salt: int) -> None:
        """Queue `bad_server_salt`, whereupon the client sends its message again with `salt`."""
        correction = types.BadServerSalt(message.msg_id, message.seq_no, BadMessage.BAD_SALT, salt)
        self.add(bytes(correction), is_content=False)

    def refuse(self, message: Message, fault: BadMessage) -> None:
        """Queue `bad_msg_notification` about a client's message."""
        refusal = types.BadMsgNotification(message.msg_id, message.seq_no, fault)
        self.add(bytes(refusal), is_content=False)

    def acknowledge(self, message: Message) -> None:
        """Queue an acknowledgement of a client's message."""
        self.add(bytes(types.MsgsAck([message.msg_id])), is_answer=False, is_content=False)
