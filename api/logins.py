"""Logins as their pages see them: start, follow, hand in, cancel. Trio code; handlers cross over once."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from actors.core.messages import (
    CancelLogin,
    ResendCode,
    Start,
    StartCode,
    StartQr,
    SubmitCode,
    SubmitPassword,
)
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import Pending, Reason, State, account_of, login_of
from actors.core.steps import AwaitBot, Complete, EnterCode, EnterPassword, Failed, ShowQr, Step, step_for
from actors.core.transitions import MustWait, Refused
from actors.errors import NoAnswer
from actors.ports import Ticket
from actors.published import Snapshot
from api.caller import Caller
from api.doors import Doors
from api.errors import AlreadyAuthorized, LimitReached, SessionTaken, TicketUnknown, UpstreamUnavailable
from api.events import Limited, PasswordTried, PasswordTry, QrStart, QrStarted
from api.limits import spend
from api.once import Transaction, once
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
    login_id: str
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


async def start_qr(
    doors: Doors,
    caller: Caller,
    key: SessionKey,
    expected_account_id: int | None = None,
    repeatable: Transaction | None = None,
) -> Started:
    """Start a login by QR, or find the one that is live, and wait for its QR. Raises what `start` does."""
    try:
        command = StartQr(*new_login(doors), caller.expected(expected_account_id))
        started = await start(doors, caller, key, command, repeatable)
    except AlreadyAuthorized:
        doors.tell(QrStarted(QrStart.ALREADY_AUTHORIZED))
        raise
    except UpstreamUnavailable:
        doors.tell(QrStarted(QrStart.UPSTREAM_UNAVAILABLE))
        raise
    except (LimitReached, SessionTaken):
        doors.tell(QrStarted(QrStart.REFUSED))
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


async def start(
    doors: Doors, caller: Caller, key: SessionKey, command: Start, repeatable: Transaction | None = None
) -> Started:
    """Start a login, or find the one that is live or that this transaction has started, and wait for its first step.

    Raises AlreadyAuthorized, SessionTaken, LimitReached, UpstreamUnavailable, the errors of `actors.errors` and,
    for a transaction, what `once` does.
    """
    if repeatable is None:
        return await _start(doors, caller, key, command)
    begun: list[Started] = []

    async def work() -> str:
        begun.append(await _start(doors, caller, key, command))
        return begun[0].login_id

    login_id = await once(doors, repeatable, work)
    return begun[0] if begun else await _started_before(doors, key, login_id, command)


async def _started_before(doors: Doors, key: SessionKey, login_id: str, command: Start) -> Started:
    state = (await doors.directory.look(key)).state
    step, opens = step_for(state, login_id), Ticket(key, login_id, command.expected_account_id)
    return Started(key, login_id, await _remember(doors, opens, step), state, step)


async def _start(doors: Doors, caller: Caller, key: SessionKey, command: Start) -> Started:
    until = doors.clock.now() + PATIENCE
    if caller.account_id is not None:
        _require_own(caller, (await doors.directory.look(key)).state)
    kind = Limited.QR_START if isinstance(command, StartQr) else Limited.CODE_REQUEST
    await spend(doors, kind, caller, key, command.phone if isinstance(command, StartCode) else None)
    try:
        state = await doors.directory.ask(key, command, PATIENCE)
    except NoAnswer:
        raise UpstreamUnavailable(retry_after=TRY_AGAIN) from None
    except Refused as refused:
        _require_own(caller, refused.state)
        raise AlreadyAuthorized(telegram_user_id=account_of(refused.state)) from None
    _require_own(caller, state)
    opens = Ticket(key, login_of(state) or command.login_id, _expected(state, command))
    state = await _past_fetching(doors, opens, state, until - doors.clock.now())
    step = step_for(state, opens.login_id)
    return Started(key, opens.login_id, await _remember(doors, opens, step), state, step)


def _expected(state: State, command: Start) -> int | None:
    """The only account that the login may end with: that of the live one, if that was found."""
    return state.login.expected_account_id if isinstance(state, Pending) else command.expected_account_id


def _require_own(caller: Caller, state: State) -> None:
    """Return unless an account holder meets another's session here, or one about to be. Raises SessionTaken."""
    if caller.account_id is None:
        return
    whose = {account_of(state)}
    if isinstance(state, Pending):
        whose.add(state.login.expected_account_id or 0)
    if not whose <= {None, caller.account_id}:
        raise SessionTaken


async def _past_fetching(doors: Doors, opens: Ticket, state: State, within: float) -> State:
    """The first state in which the login does more than fetch its first token, or the last one in time."""
    if _fetches(step_for(state, opens.login_id)):
        with doors.polls.open(opens.key.tenant_id, within):
            snapshot = await doors.directory.look(opens.key)
            while _fetches(step_for(snapshot.state, opens.login_id)):
                snapshot = await doors.directory.wait_change(opens.key, snapshot.sequence, within)
            return snapshot.state
    return state


def _fetches(step: Step) -> bool:
    waits = isinstance(step, ShowQr) and step.reason in {Reason.FLOOD_WAIT, Reason.APP_REFUSED}
    return isinstance(step, ShowQr) and step.token is None and not waits


async def _remember(doors: Doors, opens: Ticket, step: Step) -> Secret:
    """The ticket of this login, which opens it until some time after its end."""
    ticket = ticket_for(doors.token_key, opens.login_id)
    left = 0.0 if isinstance(step, Complete | Failed) else step.expires_at - doors.clock.now()
    await doors.tickets.remember(ticket, opens, left + READABLE)
    return ticket


async def open_ticket(doors: Doors, caller: Caller, ticket: Secret) -> Ticket:
    """What the ticket opens for this caller. Raises TicketUnknown, in the same words for every cause."""
    opens = await doors.tickets.find(ticket) if looks_like_a_ticket(ticket.reveal()) else None
    if opens is None or not caller.may_open(opens):
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
        with doors.polls.open(opens.key.tenant_id, wait):
            snapshot = await doors.directory.wait_change(opens.key, snapshot.sequence, wait)
    return Followed(opens.key, snapshot, step_for(snapshot.state, opens.login_id))


async def hand_in(doors: Doors, caller: Caller, opens: Ticket, command: HandIn) -> Step:
    """Hand in what a person typed, and tell where the login stands then.

    Raises LimitReached, Refused, MustWait and the errors of `actors.errors`.
    """
    await _spend(doors, caller, opens.key, command)
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


async def _spend(doors: Doors, caller: Caller, key: SessionKey, command: HandIn) -> None:
    """A code that was typed is not counted: the session itself takes few, and Telegram fewer."""
    match command:
        case SubmitPassword():
            await spend(doors, Limited.PASSWORD, caller, key)
        case ResendCode():
            await spend(doors, Limited.CODE_REQUEST, caller, key)
        case SubmitCode():
            pass


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
