"""What a claim is told, and what it asks to be done about it: the one driver of both is the session's line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectWanted:
    """A TCP connection is up, and is to be used for the session."""

    at: float


@dataclass(frozen=True, slots=True)
class Verified:
    """The arbiter has renewed the node and found the session to be ours."""

    at: float


@dataclass(frozen=True, slots=True)
class VerifyFailed:
    """The arbiter did not answer: nobody knows."""


@dataclass(frozen=True, slots=True)
class SessionLost:
    """The arbiter says that the session is not ours at this epoch."""


@dataclass(frozen=True, slots=True)
class PingDue:
    """A ping would be welcome. Tell after every confirmed renewal, and when a pong came."""

    at: float


@dataclass(frozen=True, slots=True)
class PongCame:
    """The data centre has answered the last ping."""


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """The data centre has closed the connection: its end was seen, not guessed."""

    at: float


@dataclass(frozen=True, slots=True)
class SocketBroken:
    """The connection is of no use any more, and the data centre may or may not know."""

    at: float


@dataclass(frozen=True, slots=True)
class NodeFenced:
    """The node has fenced itself."""

    at: float


@dataclass(frozen=True, slots=True)
class CleanDue:
    """A moment to note that the session has become clean."""

    at: float


@dataclass(frozen=True, slots=True)
class ReleaseWanted:
    """The session is to be given free, perhaps for a certain node. Its mailbox is closed and its work saved."""

    at: float
    next_owner: str | None = None


@dataclass(frozen=True, slots=True)
class FarewellOver:
    """Telegram did not close its end in time."""

    at: float


ClaimEvent = (
    ConnectWanted
    | Verified
    | VerifyFailed
    | SessionLost
    | PingDue
    | PongCame
    | SocketClosed
    | SocketBroken
    | NodeFenced
    | CleanDue
    | ReleaseWanted
    | FarewellOver
)


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask the arbiter for a renewal of the node and this session, and tell Verified, VerifyFailed or SessionLost."""

    is_clean: bool


@dataclass(frozen=True, slots=True)
class SendFirst:
    """Write the first packet now, in the same step: a container with `ping_delay_disconnect` before all else."""


@dataclass(frozen=True, slots=True)
class SendPing:
    """Write `ping_delay_disconnect` now, in the same step."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Close the socket at once, with everything that is not sent yet."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Shut our end of the socket, and tell SocketClosed when Telegram shuts its own, or FarewellOver."""


@dataclass(frozen=True, slots=True)
class NoteClean:
    """Let the arbiter note that the session is clean."""


@dataclass(frozen=True, slots=True)
class Release:
    """Give the session free at the arbiter. The claim has ended, whatever comes of it."""

    is_clean: bool
    next_owner: str | None


ClaimEffect = Verify | SendFirst | SendPing | Abort | HalfClose | NoteClean | Release
