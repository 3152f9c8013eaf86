"""How nodes ask each other: the post, which loses nothing, and the doorbell, which only saves waiting.

The post is durable and decides who takes a request: exactly one life of one node, once. The doorbell may lose, repeat
and invent; whoever relies on the post alone is a second late.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID, uuid4

from actors import errors
from actors.core.messages import Command
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch
from actors.core.states import State
from actors.core.transitions import Refused
from actors.published import Snapshot

WAITING_FOR_SESSION = 256
WAITING_FOR_NODE = 2048
"""Requests without an answer, of one session and of one node; the next one is MailboxFull at once."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Let the session's actor work on a command."""

    command: Command


@dataclass(frozen=True, slots=True)
class Look:
    """The session's last saved state."""


@dataclass(frozen=True, slots=True)
class WaitChange:
    """The first snapshot that is not `sequence`, or the present one after `within` seconds."""

    sequence: int
    within: float


Wish = Ask | Look | WaitChange
Answer = State | Snapshot | Exception
"""What came of it: of an Ask a State, of the others a Snapshot, or the error to raise in the asker."""

TELLABLE: Mapping[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (*vars(errors).values(), Refused, *Refused.__subclasses__())
    if isinstance(kind, type) and issubclass(kind, Exception)
}
"""The errors that can be an answer, by name: all that a directory raises, and anybody may expect."""


@dataclass(frozen=True, slots=True)
class Request:
    """One wish of one node, for the owner of a session. `within` seconds after it was posted it is void.

    Its id makes it one: posted again, it is still the same request.
    """

    key: SessionKey
    wish: Wish
    from_node: str
    to_node: str
    within: float
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as its taker gets it, with the seconds that are left for it."""

    id: UUID
    key: SessionKey
    wish: Wish
    from_node: str
    left: float


@dataclass(frozen=True, slots=True)
class Illegible:
    """The same, where the wish cannot be read; `why` is what to answer."""

    id: UUID
    key: SessionKey
    why: Exception
    from_node: str


class Post(Protocol):
    """Carries requests and answers. Every method may raise StoreUnavailable: then nobody knows if it was done."""

    async def post(self, request: Request) -> None:
        """Leave a request. Raises MailboxFull if too many wait already, for this session or this node."""
        ...

    async def take(self, me: NodeEpoch, limit: int) -> list[Delivery | Illegible]:
        """At most so many of the requests for this node, which nobody else gets any more; asks come before waits.

        None for a life that is over.
        """
        ...

    async def take_over(self, me: NodeEpoch, limit: int) -> list[Delivery | Illegible]:
        """The same of the requests for a session that this life owns, whose addressee is gone."""
        ...

    async def answer(self, me: NodeEpoch, to: Delivery | Illegible, answer: Answer) -> bool:
        """Answer a request that this life has taken; False if nobody waits for that any more."""
        ...

    async def answers(self, request_ids: Collection[UUID]) -> dict[UUID, Answer]:
        """The answers that are there."""
        ...

    async def withdraw(self, request_ids: Collection[UUID]) -> set[UUID]:
        """Those of these that nobody took before their addressee was gone; now nobody will."""
        ...

    async def forget(self, request_ids: Collection[UUID]) -> None:
        """Whoever asked these needs no answer (any more); what is not begun will not be."""
        ...

    async def sweep(self) -> int:
        """Remove what is void since a minute, so that no crash leaves anything for ever; how many."""
        ...


class BellKind(StrEnum):
    """Why somebody rings."""

    ASK = "ask"
    """There is a request to take."""
    ANSWER = "answer"
    """The request of this id has its answer."""
    FREED = "freed"
    """Sessions were given free that should come here."""
    WAKE = "wake"
    """Look at everything: something may have been missed."""


@dataclass(frozen=True, slots=True)
class Bell:
    """All that a doorbell tells: nothing of what was asked."""

    kind: BellKind
    request_id: UUID | None = None


WAKE = Bell(BellKind.WAKE)


class Doorbell(Protocol):
    """Tells a node that there is post for it."""

    async def ring(self, node_id: str, bell: Bell) -> bool:
        """Ring at this node; whether the bell was heard by what carries it. An outage is no error."""
        ...

    async def listen(self, node_id: str, heard: Callable[[Sequence[Bell]], None]) -> None:
        """Call `heard` whenever somebody rings here, for ever; with WAKE first, and whenever rings may be lost."""
        ...
