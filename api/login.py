"""Routes for every way to log in, one vocabulary for all, below /api/v1/login.

A ticket in a path is logged by proxies, so each route that has one has a twin `/current`, which takes X-Ticket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from quart import Blueprint, Response, request

from actors.bridge import in_trio
from actors.core.messages import ResendCode, StartBot, StartCode, SubmitCode, SubmitPassword
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.steps import Complete, EnterCode, EnterPassword, Failed, ShowQr, Step, step_for
from actors.core.transitions import MustWait
from actors.errors import Unanswered
from actors.ports import Ticket
from api import bodies, logins, queries, server_sent
from api.admission import identify
from api.caller import Caller, present_caller
from api.doors import Doors, doors, require_feature
from api.errors import Declined, InvalidRequest
from api.login_replies import FLOWS, FlowsReply, LoginReply, LoginSummary
from api.once import Transaction, once
from api.repeats import repeatable
from api.replies import seconds
from api.steps import LoginStep, StepError, login_step

login = Blueprint("login", __name__, url_prefix="/api/v1/login")
login.before_request(require_feature)

Json = dict[str, Any]


@login.get("/flows")
async def flows() -> Json:
    """List the ways to log in."""
    present_caller()
    return FlowsReply(flows=list(FLOWS)).model_dump(mode="json")


@login.post("/start/qr")
async def start_qr() -> Json:
    """Begin a login by QR, or show the live one again."""
    caller = present_caller()
    body = await bodies.read(bodies.StartLoginBody)
    key = caller.session(body.tenant_id, body.app_id)
    expected, transaction = body.expected_telegram_user_id, repeatable(caller, body)
    return await _started(
        await in_trio(logins.start_qr, doors(), caller, key, expected, transaction), doors()
    )


@login.post("/start/code")
async def start_code() -> Json:
    """Begin a login by phone number and code, or change the number."""
    caller = present_caller()
    body = await bodies.read(bodies.StartCodeBody)
    key = caller.session(body.tenant_id, body.app_id)
    command = StartCode(
        *logins.new_login(doors()), body.phone, caller.expected(body.expected_telegram_user_id)
    )
    started = await in_trio(logins.start, doors(), caller, key, command, repeatable(caller, body))
    return await _started(started, doors())


@login.post("/start/bot")
async def start_bot() -> Json:
    """Log a bot in by its token."""
    caller = present_caller()
    body = await bodies.read(bodies.StartBotBody)
    key = caller.session(body.tenant_id, body.app_id)
    command = StartBot(
        *logins.new_login(doors()), body.bot_token, caller.expected(body.expected_telegram_user_id)
    )
    started = await in_trio(logins.start, doors(), caller, key, command, repeatable(caller, body))
    return await _started(started, doors())


@login.get("/current")
@login.get("/<ticket>")
async def read(ticket: str = "") -> Json:
    """Tell where a login stands, on request once that has changed."""
    caller = present_caller()
    query = queries.read(queries.FollowQuery)
    opened = _ticket(ticket)
    followed = await in_trio(logins.follow, doors(), caller, opened, float(query.wait), query.since)
    return (await _followed(followed, opened, doors())).model_dump(mode="json")


@login.post("/current/step")
@login.post("/<ticket>/step")
async def step(ticket: str = "") -> Json:
    """Hand in what a person typed, or have the code sent again; the same transaction is never done twice."""
    caller = present_caller()
    body = await bodies.read(bodies.StepBody)
    opened = _ticket(ticket)
    key, answer = await in_trio(_step_once, doors(), caller, opened, body)
    return _reply(key, opened, LoginStep.model_validate_json(answer), doors()).model_dump(mode="json")


@login.delete("/current")
@login.delete("/<ticket>")
async def cancel(ticket: str = "") -> Json:
    """Give a login up."""
    caller = present_caller()
    opened = _ticket(ticket)
    followed = await in_trio(logins.cancel, doors(), caller, opened)
    return (await _followed(followed, opened, doors())).model_dump(mode="json")


@login.get("/current/events")
@login.get("/<ticket>/events")
async def events(ticket: str = "") -> Response:
    """Tell where a login stands, again and again, as server-sent events."""
    caller = present_caller()
    opened, known = _ticket(ticket), server_sent.last_event_id()
    first = await in_trio(logins.follow, doors(), caller, opened, 0.0, None)
    stream = _stream(doors(), caller, request.headers.getlist("Authorization"), opened, first, known)
    doors().streams.count(caller, stream)
    return server_sent.response(stream)


async def _stream(
    here: Doors,
    caller: Caller,
    authorization: list[str],
    ticket: Secret,
    followed: logins.Followed,
    known: int | None,
) -> AsyncIterator[str]:
    """Every change until the login is over, the service stops or the credential is no good any more.

    A comment when there is none for a while.
    """
    yield server_sent.RETRY
    while True:
        if followed.snapshot.sequence == known:
            yield server_sent.PING
        else:
            known = followed.snapshot.sequence
            reply = await _followed(followed, ticket, here)
            yield server_sent.event(known, "step", reply.model_dump_json())
        if isinstance(followed.step, Complete | Failed) or not here.polls.waits(followed.key.tenant_id):
            break
        try:
            followed = await in_trio(logins.follow, here, caller, ticket, server_sent.PING_EVERY, known)
            if await identify(authorization, here) != caller:
                break
        except (Declined, Unanswered):
            break  # whoever connects again is told why
    yield server_sent.BYE


async def _step_once(
    here: Doors, caller: Caller, ticket: Secret, body: bodies.StepBody
) -> tuple[SessionKey, str]:
    opens = await logins.open_ticket(here, caller, ticket)
    transaction = Transaction(ticket, body.txn_id, body.parts())
    answer = await once(here, transaction, lambda: _hand_in(here, caller, opens, body))
    return opens.key, answer


async def _hand_in(here: Doors, caller: Caller, opens: Ticket, body: bodies.StepBody) -> str:
    """The step that follows, as JSON."""
    command = _command(opens.login_id, body)
    before = step_for((await here.directory.look(opens.key)).state, opens.login_id)
    error: StepError | None
    try:
        after = await logins.hand_in(here, caller, opens, command)
    except MustWait as wait:
        after = step_for(wait.state, opens.login_id)
        error = _too_early(after, wait.retry_at - here.clock.now())
    else:
        error = _rejected(before, after, command)
    return login_step(after, here.clock.now(), error=error).model_dump_json()


def _command(login_id: str, body: bodies.StepBody) -> logins.HandIn:
    match body:
        case bodies.StepBody(code=Secret() as code):
            return SubmitCode(login_id, code)
        case bodies.StepBody(password=Secret() as password):
            return SubmitPassword(login_id, password)
        case _:
            return ResendCode(login_id)


def _too_early(step: Step, wait: float) -> StepError:
    resend = isinstance(step, EnterCode) and step.retry_at is None
    return StepError(code="resend_too_early" if resend else "flood_wait", retry_after=seconds(wait))


def _rejected(before: Step, after: Step, command: logins.HandIn) -> StepError | None:
    """What was wrong with what was typed. Trouble on the way is told by the step itself."""
    match command, after:
        case SubmitCode(), EnterCode(reason=None):
            return StepError(code="code_invalid")
        case SubmitPassword(), EnterPassword(reason=None):
            return StepError(code="password_invalid")
        case ResendCode(), EnterCode(reason=None) if (
            isinstance(before, EnterCode) and not before.next_delivery
        ):
            return StepError(code="resend_unavailable")
        case _:
            return None


async def _started(started: logins.Started, here: Doors) -> Json:
    shown = await _shown(started.step, here)
    return _reply(started.key, started.ticket, shown, here).model_dump(mode="json")


async def _followed(followed: logins.Followed, ticket: Secret, here: Doors) -> LoginReply:
    shown = await _shown(followed.step, here)
    reply = _reply(followed.key, ticket, shown, here)
    reply.sequence = followed.snapshot.sequence
    return reply


async def _shown(step: Step, here: Doors) -> LoginStep:
    token = step.token if isinstance(step, ShowQr) else None
    png = await here.pictures.qr(token.url) if token else ""
    return login_step(step, here.clock.now(), png=png)


def _reply(key: SessionKey, ticket: Secret, shown: LoginStep, here: Doors) -> LoginReply:
    return LoginReply(
        login=LoginSummary(
            ticket=ticket.reveal(), tenant_id=key.tenant_id, app_id=key.app_id, expires_at=shown.expires_at
        ),
        step=shown,
        server_time=here.clock.now(),
        environment=here.environment,
    )


def _ticket(in_path: str) -> Secret:
    """The path's, or at /current the header's."""
    text = in_path or request.headers.get("X-Ticket")
    if text is None:
        raise InvalidRequest(errors=[{"field": "X-Ticket", "message": "Header required"}])
    return Secret(text)
