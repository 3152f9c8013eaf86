"""Logins as their pages see them: start, follow, hand in, cancel. Trio code; handlers cross over once."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from actors.core.messages import CancelLogin, ResendCode, Start, StartQr, SubmitCode, SubmitPassword
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import Reason, State, account_of, login_of
from actors.core.steps import AwaitBot, Complete, EnterCode, EnterPassword, Failed, ShowQr, Step, step_for
from actors.core.transitions import MustWait, Refused
from actors.errors import NoAnswer
from actors.ports import Ticket
from actors.published import Snapshot
from api.caller import Caller
from api.doors import Doors
from api.errors import AlreadyAuthorized, TicketUnknown, UpstreamUnavailable
from api.events import PasswordTried, PasswordTry, QrStart, QrStarted
from api.tickets import looks_like_a_ticket, ticket_for

PATIENCE = 25.0
"""Seconds for a request that waits for Telegram: below the half minute at which proxies give up."""

TRY_AGAIN = 5.0
READABLE = 3600.0
"""Seconds for which the page of a login that is over can still read how it went."""

HandIn = SubmitCode | ResendCode | SubmitPassword


@dataclass(frozen=True, slots=True)
class Started:
    """A login that was started, or was live already, and the ticket that opens it."""

    key: SessionKey
    ticket: Secret
    state: State
    step: Step


@dataclass(frozen=True, slots=True)
class Followed:
    """Where the login of a ticket stands."""

    key: SessionKey
    snapshot: Snapshot
    step: Step


def new_login(doors: Doors) -> tuple[str, float]:
    """The id of a new login, and when it ends unless it has got further by then."""
    return uuid4().hex, doors.clock.now() + doors.qr_ticket_ttl


async def start_qr(doors: Doors, key: SessionKey, expected_account_id: int | None = None) -> Started:
    """Start a login by QR, or find the one that is live, and wait for its QR. Raises what `start` does."""
    try:
        started = await start(doors, key, StartQr(*new_login(doors), expected_account_id))
    except AlreadyAuthorized:
        doors.tell(QrStarted(QrStart.ALREADY_AUTHORIZED))
        raise
    except UpstreamUnavailable:
        doors.tell(QrStarted(QrStart.UPSTREAM_UNAVAILABLE))
        raise
    except Exception:
        doors.tell(QrStarted(QrStart.UNANSWERED))
        raise
    doors.tell(QrStarted(_qr_outcome(started.step)))
    return started


def _qr_outcome(step: Step) -> QrStart:
    match step:
        case ShowQr(token=None, reason=Reason.FLOOD_WAIT):
            return QrStart.FLOOD_WAIT
        case ShowQr(token=None):
            return QrStart.UPSTREAM_UNAVAILABLE
        case ShowQr() | EnterCode() | AwaitBot() | EnterPassword():
            return QrStart.SHOWN
        case Complete():
            return QrStart.ALREADY_AUTHORIZED
        case Failed():
            return QrStart.ENDED


async def start(doors: Doors, key: SessionKey, command: Start) -> Started:
    """Start a login, or find the one that is live, and wait for its first step.

    Raises AlreadyAuthorized, UpstreamUnavailable and the errors of `actors.errors`.
    """
    until = doors.clock.now() + PATIENCE
    try:
        state = await doors.directory.ask(key, command, PATIENCE)
    except NoAnswer:
        raise UpstreamUnavailable(retry_after=TRY_AGAIN) from None
    except Refused as refused:
        raise AlreadyAuthorized(telegram_user_id=account_of(refused.state)) from None
    opens = Ticket(key, login_of(state) or command.login_id)
    state = await _past_fetching(doors, opens, state, until - doors.clock.now())
    step = step_for(state, opens.login_id)
    return Started(key, await _remember(doors, opens, step), state, step)


async def _past_fetching(doors: Doors, opens: Ticket, state: State, within: float) -> State:
    """The first state in which the login does more than fetch its first token, or the last one in time."""
    if _fetches(step_for(state, opens.login_id)):
        with doors.polls.open(within):
            snapshot = await doors.directory.look(opens.key)
            while _fetches(step_for(snapshot.state, opens.login_id)):
                snapshot = await doors.directory.wait_change(opens.key, snapshot.sequence, within)
            return snapshot.state
    return state


def _fetches(step: Step) -> bool:
    return isinstance(step, ShowQr) and step.token is None and step.reason is not Reason.FLOOD_WAIT


async def _remember(doors: Doors, opens: Ticket, step: Step) -> Secret:
    """The ticket of this login, which opens it until some time after its end."""
    ticket = ticket_for(doors.token_key, opens.login_id)
    left = 0.0 if isinstance(step, Complete | Failed) else step.expires_at - doors.clock.now()
    await doors.tickets.remember(ticket, opens, left + READABLE)
    return ticket


async def open_ticket(doors: Doors, caller: Caller, ticket: Secret) -> Ticket:
    """What the ticket opens for this caller. Raises TicketUnknown, in the same words for every cause."""
    opens = await doors.tickets.find(ticket) if looks_like_a_ticket(ticket.reveal()) else None
    if opens is None or not caller.may_use(opens.key):
        raise TicketUnknown
    return opens


async def follow(doors: Doors, caller: Caller, ticket: Secret, wait: float, since: int | None) -> Followed:
    """Where the login stands; if that is what the client knows already, wait for a change at most `wait` s.

    Raises TicketUnknown and the errors of `actors.errors`.
    """
    opens = await open_ticket(doors, caller, ticket)
    snapshot = await doors.directory.look(opens.key)
    # A sequence that is not ours comes from another node, or from before a restart: that is news as well.
    if wait and since in (None, snapshot.sequence):
        with doors.polls.open(wait):
            snapshot = await doors.directory.wait_change(opens.key, snapshot.sequence, wait)
    return Followed(opens.key, snapshot, step_for(snapshot.state, opens.login_id))


async def hand_in(doors: Doors, opens: Ticket, command: HandIn) -> Step:
    """Hand in what a person typed, and tell where the login stands then.

    Raises Refused, MustWait and the errors of `actors.errors`.
    """
    tries_password = isinstance(command, SubmitPassword)
    try:
        step = await _step_after(doors, opens, command)
    except MustWait:
        if tries_password:
            doors.tell(PasswordTried(PasswordTry.FLOOD_WAIT))
        raise
    if isinstance(step, EnterPassword) and step.retry_at is not None:
        await _remember(doors, opens, step)  # the window was moved on by as long as the wait is
    if tries_password:
        doors.tell(PasswordTried(_password_outcome(step)))
    return step


def _password_outcome(step: Step) -> PasswordTry:
    match step:
        case Complete():
            return PasswordTry.ACCEPTED
        case EnterPassword(retry_at=retry_at) if retry_at is not None:
            return PasswordTry.FLOOD_WAIT
        case EnterPassword(reason=None):
            return PasswordTry.REJECTED
        case Failed():
            return PasswordTry.ENDED
        case ShowQr() | EnterCode() | AwaitBot() | EnterPassword():
            return PasswordTry.UPSTREAM_UNAVAILABLE


async def _step_after(doors: Doors, opens: Ticket, command: HandIn) -> Step:
    """Where the login stands after the try. What was accepted counts even if what follows takes long."""
    try:
        state = await doors.directory.ask(opens.key, command, PATIENCE)
    except NoAnswer:
        state = (await doors.directory.look(opens.key)).state
        step = step_for(state, opens.login_id)
        if not isinstance(step, Complete):
            raise
        return step
    return step_for(state, opens.login_id)


async def cancel(doors: Doors, caller: Caller, ticket: Secret) -> Followed:
    """Give the login up. Raises TicketUnknown, Refused and the errors of `actors.errors`."""
    opens = await open_ticket(doors, caller, ticket)
    state = await doors.directory.ask(opens.key, CancelLogin(opens.login_id), PATIENCE)
    return Followed(opens.key, await doors.directory.look(opens.key), step_for(state, opens.login_id))
