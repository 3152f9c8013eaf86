"""The login by QR as its page sees it: start, follow, password, cancel. Trio code; handlers cross over once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from actors.core.messages import CancelLogin, StartQr, SubmitPassword
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import Reason, State, account_of, login_of
from actors.core.steps import Complete, EnterCode, EnterPassword, Failed, ShowQr, Step, step_for
from actors.core.transitions import MustWait, Refused
from actors.errors import NoAnswer
from actors.ports import Ticket
from actors.published import Snapshot
from api.caller import Caller
from api.doors import Doors
from api.errors import (
    AlreadyAuthorized,
    Declined,
    FloodWait,
    LoginEnded,
    PasswordInvalid,
    TicketUnknown,
    UpstreamUnavailable,
)
from api.events import PasswordTried, PasswordTry, QrStart, QrStarted
from api.tickets import looks_like_a_ticket, ticket_for

PATIENCE = 25.0
"""Seconds for a request that waits for Telegram: below the half minute at which proxies give up."""

TRY_AGAIN = 5.0
READABLE = 3600.0
"""Seconds for which the page of a login that is over can still read how it went."""


@dataclass(frozen=True, slots=True)
class Started:
    """A login that shows its QR, or is already past that."""

    key: SessionKey
    ticket: Secret
    state: State
    step: ShowQr | EnterCode | EnterPassword


@dataclass(frozen=True, slots=True)
class Followed:
    """Where the login of a ticket stands."""

    snapshot: Snapshot
    step: Step


async def start_qr(doors: Doors, key: SessionKey) -> Started:
    """Start a login by QR, or find the one that is live, and wait for its QR.

    Raises AlreadyAuthorized, FloodWait, UpstreamUnavailable, LoginEnded and the errors of `actors.errors`.
    """
    try:
        started = await _start_qr(doors, key)
    except Exception as error:
        doors.tell(QrStarted(_START_OUTCOMES.get(type(error), QrStart.UNANSWERED)))
        raise
    doors.tell(QrStarted(QrStart.SHOWN))
    return started


_START_OUTCOMES: Mapping[type[Exception], QrStart] = {
    AlreadyAuthorized: QrStart.ALREADY_AUTHORIZED,
    FloodWait: QrStart.FLOOD_WAIT,
    UpstreamUnavailable: QrStart.UPSTREAM_UNAVAILABLE,
    LoginEnded: QrStart.ENDED,
}


async def _start_qr(doors: Doors, key: SessionKey) -> Started:
    until = doors.clock.now() + PATIENCE
    command = StartQr(uuid4().hex, doors.clock.now() + doors.qr_ticket_ttl)
    try:
        state = await doors.directory.ask(key, command, PATIENCE)
    except NoAnswer:
        raise UpstreamUnavailable(retry_after=TRY_AGAIN) from None
    except Refused as refused:
        raise AlreadyAuthorized(telegram_user_id=account_of(refused.state)) from None
    opens = Ticket(key, login_of(state) or command.login_id)
    state = await _past_fetching(doors, opens, state, until - doors.clock.now())
    match step_for(state, opens.login_id):
        case ShowQr(token=None, retry_at=retry_at, reason=Reason.FLOOD_WAIT) if retry_at is not None:
            raise FloodWait(retry_after=retry_at - doors.clock.now())
        case ShowQr(token=None):
            raise UpstreamUnavailable(retry_after=TRY_AGAIN)
        case Complete(account_id):
            raise AlreadyAuthorized(telegram_user_id=account_id)
        case Failed(reason):
            raise LoginEnded(reason=reason)
        case (ShowQr() | EnterCode() | EnterPassword()) as step:
            ticket = await _remember(doors, opens, step.expires_at)
            return Started(key, ticket, state, step)


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


async def _remember(doors: Doors, opens: Ticket, expires_at: float) -> Secret:
    ticket = ticket_for(doors.token_key, opens.login_id)
    await doors.tickets.remember(ticket, opens, expires_at - doors.clock.now() + READABLE)
    return ticket


async def _open(doors: Doors, caller: Caller, ticket: Secret) -> Ticket:
    """What the ticket opens for this caller. Raises TicketUnknown, in the same words for every cause."""
    opens = await doors.tickets.find(ticket) if looks_like_a_ticket(ticket.reveal()) else None
    if opens is None or not caller.may_use(opens.key):
        raise TicketUnknown
    return opens


async def follow(doors: Doors, caller: Caller, ticket: Secret, wait: float, since: int | None) -> Followed:
    """Where the login stands; if that is what the client knows already, wait for a change at most `wait` s.

    Raises TicketUnknown and the errors of `actors.errors`.
    """
    opens = await _open(doors, caller, ticket)
    snapshot = await doors.directory.look(opens.key)
    # A sequence that is not ours comes from another node, or from before a restart: that is news as well.
    if wait and since in (None, snapshot.sequence):
        with doors.polls.open(wait):
            snapshot = await doors.directory.wait_change(opens.key, snapshot.sequence, wait)
    return Followed(snapshot, step_for(snapshot.state, opens.login_id))


async def submit_password(doors: Doors, caller: Caller, ticket: Secret, password: Secret) -> None:
    """Hand in the 2FA password; return if it was accepted.

    Raises TicketUnknown, PasswordInvalid, FloodWait, UpstreamUnavailable, LoginEnded, Refused and the errors of
    `actors.errors`.
    """
    opens = await _open(doors, caller, ticket)
    try:
        step = await _password_step(doors, opens, password)
    except MustWait:
        doors.tell(PasswordTried(PasswordTry.FLOOD_WAIT))
        raise
    if isinstance(step, EnterPassword) and step.retry_at is not None:
        await _remember(doors, opens, step.expires_at)  # the window was moved on by as long as the wait is
    outcome, no = _verdict(step, doors.clock.now())
    doors.tell(PasswordTried(outcome))
    if no is not None:
        raise no


def _verdict(step: Step, now: float) -> tuple[PasswordTry, Declined | None]:
    match step:
        case Complete():
            return PasswordTry.ACCEPTED, None
        case EnterPassword(retry_at=retry_at) if retry_at is not None:
            return PasswordTry.FLOOD_WAIT, FloodWait(retry_after=retry_at - now)
        case EnterPassword(hint=hint, attempts_left=attempts_left, reason=None):
            return PasswordTry.REJECTED, PasswordInvalid(attempts_left=attempts_left, hint=hint)
        case Failed(reason):
            return PasswordTry.ENDED, LoginEnded(reason=reason)
        case ShowQr() | EnterCode() | EnterPassword():
            return PasswordTry.UPSTREAM_UNAVAILABLE, UpstreamUnavailable(retry_after=TRY_AGAIN)


async def _password_step(doors: Doors, opens: Ticket, password: Secret) -> Step:
    """Where the login stands after the try. An accepted password counts even if what follows takes long."""
    try:
        state = await doors.directory.ask(opens.key, SubmitPassword(opens.login_id, password), PATIENCE)
    except NoAnswer:
        state = (await doors.directory.look(opens.key)).state
        step = step_for(state, opens.login_id)
        if not isinstance(step, Complete):
            raise
        return step
    return step_for(state, opens.login_id)


async def cancel(doors: Doors, caller: Caller, ticket: Secret) -> None:
    """Give the login up. Raises TicketUnknown, Refused and the errors of `actors.errors`."""
    opens = await _open(doors, caller, ticket)
    await doors.directory.ask(opens.key, CancelLogin(opens.login_id), PATIENCE)
