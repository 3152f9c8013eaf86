"""What an actor needs of the outside world, in its own words. Adapters and test fakes both keep to these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from actors.core.app import OwnApp
from actors.core.credential import Credential, Keeping
from actors.core.messages import Command, Signal
from actors.core.names import SessionKey
from actors.core.record import Record
from actors.core.secret import Secret
from actors.core.states import Reason, SessionState, State
from actors.published import Snapshot


class Telegram(Protocol):
    """One session's line to Telegram. At most one connection is open at any moment.

    Each method answers with the signal that says how it went. Failures that Telegram or the network are known
    for are signals too (Unreachable, FloodWaited, LoginFailed, CredentialLost …); anything else is raised.
    """

    async def export_token(self) -> Signal:
        """TokenIssued, SignedIn or PasswordNeeded. Connects the login's own fresh key first if need be."""
        ...

    async def send_code(self, phone: Secret) -> Signal:
        """CodeSent or LoginFailed. Connects the login's own fresh key first if need be."""
        ...

    async def send_code_again(self) -> Signal:
        """CodeSent or LoginFailed."""
        ...

    async def sign_in(self, code: Secret) -> Signal:
        """SignedIn, PasswordNeeded, CodeRejected or LoginFailed."""
        ...

    async def check_password(self, password: Secret) -> Signal:
        """SignedIn or PasswordRejected."""
        ...

    async def import_bot(self, token: Secret) -> Signal:
        """SignedIn or LoginFailed. Connects the login's own fresh key first if need be."""
        ...

    async def abandon_login(self) -> None:
        """Drop the login's connection and key, after an attempt to log that out; failures are of no consequence."""
        ...

    async def connect(self) -> Signal:
        """Online, CredentialUnusable, CredentialLost or AccountFrozen. Uses an open connection, if any."""
        ...

    async def disconnect(self) -> None:
        """Close whatever connection is open."""
        ...

    async def log_out(self) -> Signal:
        """LoggedOut, once Telegram has forgotten the credential. Its connection and its file are gone in any case."""
        ...

    async def forget(self) -> None:
        """Close whatever connection is open, and remove the credential's file."""
        ...


class OpenTelegram(Protocol):
    """Opens a session's line; leaving the context closes its connection."""

    def __call__(
        self, key: SessionKey, tell: Callable[[Signal], None]
    ) -> AbstractAsyncContextManager[Telegram]:
        """The line of this session. Signals that come by themselves go to `tell`."""
        ...


@dataclass(frozen=True, slots=True)
class Shared:
    """Something that connections share. Two are the same thing if they are equal; `of` is whose it is, for people."""

    of: str
    key: Hashable = field(repr=False)


@dataclass(frozen=True, slots=True)
class Way:
    """What a connection shares with others beside its data centre: the app that it speaks as, and its proxy."""

    app: Shared
    proxy: Shared | None = None


class Gate(Protocol):
    """What a line asks before it opens a connection: many sessions share data centres, apps, proxies, a pace."""

    async def through(
        self,
        key: SessionKey,
        attempt: Callable[[], Awaitable[Signal]],
        *,
        dc: Callable[[], int],
        way: Way,
        background: bool,
    ) -> Signal:
        """Wait for a turn and make the attempt; or Unreachable at once, where it is known to be in vain.

        `dc` says which data centre is connected to; a login may be sent on to another, so it is asked again.
        People's logins come before what is done in the background.
        """
        ...


@dataclass(frozen=True, slots=True)
class Saved:
    """A session's row: what was written, how often, and since when the state has its name."""

    record: Record
    version: int
    since: float


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the journal."""

    message: str
    before: SessionState
    after: SessionState
    reason: Reason | None


class Store(Protocol):
    """Where sessions and their journal are kept. Every method may raise StoreUnavailable."""

    async def load(self, key: SessionKey) -> Saved | None:
        """The session's row, or None if there never was one."""
        ...

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        """Write version `saved.version` over the one before it, the journal's line, and what becomes of credentials.

        All of it is written, or nothing. Raises VersionConflict if the row is not at the version before it.
        """
        ...

    async def running(self) -> list[SessionKey]:
        """The sessions that hold or are getting a credential, are meant to run, and do not sleep; nobody's only."""
        ...

    async def due(self, now: float) -> list[SessionKey]:
        """The sleeping sessions that should be woken by `now`, seconds since the epoch; nobody's only."""
        ...

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Saved]]:
        """The next sessions after one of them, or the first ones; of a tenant or of all, in the order of names."""
        ...


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line of the journal as it was written, by whatever release: hence its states and reason are texts.

    `seq` is its place in the tenant's chain: 1, 2, 3 … without a gap. `at` is in seconds since the epoch.
    """

    seq: int
    key: SessionKey
    version: int
    at: float
    message: str
    before: str | None
    after: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines somebody wants: of these apps, and into these states; None is all."""

    apps: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a tenant's chain that was looked at: what was wanted in it, and the place up to which it reaches."""

    lines: list[JournalLine]
    reached: int


LONGEST_STRETCH = 5_000
"""Lines that are looked at at once, however few of them are wanted."""


class Journal(Protocol):
    """What happened to sessions, for whoever follows it. Every method may raise StoreUnavailable.

    Whoever sees a tenant's line sees all lines of that tenant before it, whoever writes at the same time.
    """

    async def after(self, tenant_id: str, seq: int, limit: int, wanted: Wanted = EVERYTHING) -> Stretch:
        """The tenant's lines after this place that are wanted, in their order; so many at most.

        No more than LONGEST_STRETCH lines are looked at. What was not wanted in between is passed over for good.
        """
        ...

    async def of_session(self, key: SessionKey, before: int | None, limit: int) -> list[JournalLine]:
        """The session's lines before this version, or all of them; newest first, so many at most."""
        ...

    async def ends(self, tenants: Collection[str]) -> Mapping[str, int]:
        """The place of the newest line of each of these tenants that has one."""
        ...


class Vault(Protocol):
    """Where credentials are kept, sealed. What is to happen to them is part of `Store.save`.

    Every method may raise StoreUnavailable, and CredentialSealed where what is kept cannot be opened.
    """

    async def current(self, key: SessionKey) -> Credential | None:
        """The session's credential, or None if it has none."""
        ...

    async def knows(self, key: SessionKey, credential: Credential) -> bool:
        """Whether this auth key is, or ever was, this session's."""
        ...

    async def checkpoint(
        self, key: SessionKey, credential: Credential, file_fingerprint: str | None = None
    ) -> None:
        """Keep how far the updates are known, if this auth key is still the session's.

        And the fingerprint of the file that was written with it, if it was.
        """
        ...

    async def file_fingerprint(self, key: SessionKey) -> str | None:
        """The fingerprint of the file here as it was last written with the session's credential, if that is known."""
        ...


class BackupRegister(Protocol):
    """Whose turn it is to make backups, and which sessions there are. Every method may raise StoreUnavailable."""

    async def take_turn(self, run: str, seconds: float) -> bool:
        """Have the turn for so long from now, also if this run has it already; False if another one has it."""
        ...

    async def give_turn(self, run: str) -> None:
        """Let the next one have it, if this run still has it."""
        ...

    async def credentialed_after(self, last: SessionKey | None, limit: int) -> list[SessionKey]:
        """The next sessions that have a credential, after one of them or from the first; in a fixed order."""
        ...

    async def credentialed_among(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        """Those of these sessions that have a credential."""
        ...


@dataclass(frozen=True, slots=True)
class Owed:
    """A key that Telegram has to be told to log out. `fingerprint` names it to people.

    `attempts` is how often it was claimed before.
    """

    key: SessionKey
    fingerprint: str
    credential: Credential
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class OwedUnopened:
    """The same, where the credential cannot be opened; `why` names the fix."""

    key: SessionKey
    fingerprint: str
    why: str


class Farewells(Protocol):
    """The keys that Telegram has yet to be told to log out. Every method may raise StoreUnavailable."""

    async def owed(self, limit: int) -> list[Owed | OwedUnopened]:
        """Claim at most so many whose time has come, across tenants.

        Nobody else gets them for two minutes; after n claims that came to nothing n times as long, an hour at most.
        """
        ...

    async def settled(self, owed: Owed) -> None:
        """Telegram has logged it out, or does not know it any more. It is erased after a grace."""
        ...

    async def postponed(self, owed: Owed, until: float) -> None:
        """It is not claimed again before this moment, seconds since the epoch."""
        ...

    async def erase_due(self) -> int:
        """Erase what nobody needs any more; how many there were. Their fingerprints stay."""
        ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket opens: one login of one session, and the only account it may end with, if that matters."""

    key: SessionKey
    login_id: str
    account_id: int | None = None


class Tickets(Protocol):
    """Remembers for a while which login a ticket opens. It keeps only the ticket's hash.

    Every method may raise StoreUnavailable.
    """

    async def remember(self, ticket: Secret, opens: Ticket, ttl: float) -> None:
        """Keep it for `ttl` seconds; the same ticket again starts them anew."""
        ...

    async def find(self, ticket: Secret) -> Ticket | None:
        """What it opens, or None if it is unknown or too old."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """What is kept of a request that must not be carried out twice. `answer` is None while it is in work."""

    fingerprint: str
    answer: str | None


class Answers(Protocol):
    """Remembers for a while what was answered to a request, by a name that whoever asks gave it.

    Every method may raise StoreUnavailable.
    """

    async def claim(self, name: str, fingerprint: str, ttl: float) -> Answered | None:
        """Take this name for `ttl` seconds; what is kept under it, if somebody else has taken it."""
        ...

    async def keep(self, name: str, answered: Answered, ttl: float) -> None:
        """Keep the answer under a name that was claimed, for `ttl` seconds from now."""
        ...

    async def forget(self, name: str) -> None:
        """Give the name free."""
        ...


class Directory(Protocol):
    """Where anybody finds a session, whichever process runs it."""

    @property
    def running(self) -> Mapping[SessionKey, object]:
        """The sessions that run in this process; what they map to is the directory's own."""
        ...

    async def ask(self, key: SessionKey, command: Command, within: float) -> State:
        """Let the session's actor work on a command. Raises Refused and the errors of `actors.errors`."""
        ...

    async def look(self, key: SessionKey) -> Snapshot:
        """The session's last saved state, without disturbing its actor."""
        ...

    async def wait_change(self, key: SessionKey, sequence: int, within: float) -> Snapshot:
        """The first snapshot that is not `sequence`, or the present one after `within` seconds."""
        ...

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Snapshot]]:
        """The next sessions after one of them, or the first ones, as they were shown or saved last."""
        ...


@dataclass(frozen=True, slots=True)
class KeptApp:
    """A tenant's own app as it is kept: what it is, and how often it was written."""

    app: OwnApp
    version: int


class Apps(Protocol):
    """Where tenants' own apps are kept, their secrets sealed. Every method may raise StoreUnavailable."""

    async def read(self, tenant_id: str) -> KeptApp | None:
        """The tenant's own app, if it has one. Raises AppSealed where its secrets cannot be opened."""
        ...

    async def write(self, tenant_id: str, app: OwnApp) -> KeptApp:
        """Put this in the place of whatever the tenant had."""
        ...

    async def remove(self, tenant_id: str) -> bool:
        """Let the tenant use the service's app again; whether it had one of its own."""
        ...
