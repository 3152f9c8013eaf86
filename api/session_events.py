"""Routes that tell what happened to sessions, out of the journal: a session's history, and a tenant's events live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import trio
from quart import Blueprint, Response, request

from actors.bridge import in_trio
from actors.core.names import SessionKey
from actors.errors import Unanswered
from actors.ports import EVERYTHING, LONGEST_STRETCH, JournalLine, Stretch, Wanted
from api import queries, server_sent
from api.admission import identify
from api.caller import Caller, present_caller
from api.doors import Doors, doors
from api.errors import Declined, InvalidRequest, SessionUnknown
from api.event_replies import EventsReply, event_reply
from api.permissions import Permission

session_events = Blueprint("session_events", __name__, url_prefix="/api/v1")

PAGE = 100
"""Events that a stream has in memory at most: the next ones are read when its client has taken these."""


@session_events.get("/sessions/<tenant_id>/<app_id>/events")
async def list_events(tenant_id: str, app_id: str) -> Response:
    """Tell what happened to a session, newest first."""
    key = present_caller().session(tenant_id, app_id)
    query = queries.read(queries.HistoryQuery)
    reply = await in_trio(_listed, doors(), key, query)
    response = Response(reply.model_dump_json(), content_type="application/json")
    if reply.next_cursor is not None:
        more = urlencode({"limit": query.limit, "cursor": reply.next_cursor})
        response.headers["Link"] = f'<{request.path}?{more}>; rel="next"'
    return response


@session_events.get("/events")
async def follow_events() -> Response:
    """Tell what happens to a tenant's sessions, as server-sent events."""
    caller = present_caller()
    query = queries.read(queries.EventsQuery)
    tenant_id, here = caller.tenant(query.tenant), doors()
    # A browser that comes back sends the URL of its first try, so the header is the newer one.
    known = server_sent.last_event_id()
    begins = await in_trio(_begins, here, tenant_id, query.after if known is None else known)
    authorization = request.headers.getlist("Authorization")
    stream = _stream(here, caller, authorization, tenant_id, begins, query.wanted())
    here.streams.count(caller, stream)
    return server_sent.response(stream)


async def _stream(
    here: Doors,
    caller: Caller,
    authorization: list[str],
    tenant_id: str,
    known: int,
    wanted: Wanted = EVERYTHING,
) -> AsyncIterator[str]:
    """Every wanted event, until the service stops, the credential is no good any more, or the database is down.

    The first tells where the stream begins, so that who is cut off before anything happens misses nothing either.
    """
    yield server_sent.RETRY
    yield server_sent.event(known, "hello", "{}")
    told = known
    while True:
        try:
            news = await in_trio(_news, here, tenant_id, known, wanted)
            if not _is_as_good(await identify(authorization, here), caller):
                break
        except (Declined, Unanswered):
            break  # whoever connects again is told why
        known, told = news.reached, news.lines[-1].seq if news.lines else told
        if news.lines:
            yield "".join(_told(line) for line in news.lines)
        elif known > told:
            yield server_sent.reached(told := known)
        else:
            yield server_sent.PING
        if not here.polls.waits(tenant_id):
            break
    yield server_sent.BYE


async def _begins(here: Doors, tenant_id: str, after: int | None) -> int:
    """The event after which a stream begins: the one that was named, or the newest. Raises InvalidRequest."""
    newest = (await here.journal.ends([tenant_id])).get(tenant_id, 0)
    if after is not None and after > newest:
        raise InvalidRequest(errors=[{"field": "after", "message": "There is no such event yet"}])
    return newest if after is None else after


async def _news(here: Doors, tenant_id: str, known: int, wanted: Wanted) -> Stretch:
    """The tenant's next lines that are wanted, once there are any; none after a while, or after a long stretch."""
    news = await here.journal.after(tenant_id, known, PAGE, wanted)
    until = trio.current_time() + server_sent.PING_EVERY
    while not news.lines and news.reached < known + LONGEST_STRETCH:
        waits, within = here.polls.waits(tenant_id), until - trio.current_time()
        with here.polls.open(tenant_id, max(within, 0.0)):
            await here.feed.wait(tenant_id, news.reached)
        news = await here.journal.after(tenant_id, news.reached, PAGE, wanted)
        if not waits or trio.current_time() >= until:
            break
    return news


def _is_as_good(now: Caller, then: Caller) -> bool:
    """A key may be revoked and a token expire while its stream is open."""
    return now.tenant_id == then.tenant_id and now.may(Permission.EVENTS_READ)


def _told(line: JournalLine) -> str:
    return server_sent.event(line.seq, "session", event_reply(line).model_dump_json())


async def _listed(here: Doors, key: SessionKey, query: queries.HistoryQuery) -> EventsReply:
    lines = await here.journal.of_session(key, query.cursor, query.limit + 1)
    if not lines and query.cursor is None:
        raise SessionUnknown
    page = lines[: query.limit]
    return EventsReply(
        events=[event_reply(line) for line in page],
        next_cursor=page[-1].version if len(lines) > len(page) else None,
    )
