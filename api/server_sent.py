"""Server-sent events as every stream of ours writes them (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from quart import Response, request

PING_EVERY = 15.0
LONGEST_ID = 19

RETRY = "retry: 2000\n\n"
PING = ": ping\n\n"
BYE = "event: bye\ndata: {}\n\n"


def event(number: int, name: str, data: str) -> str:
    """One event. `data` is JSON on one line."""
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n"


def reached(number: int) -> str:
    """A sign of life that is no event: a client that comes back will say it has seen everything up to here."""
    return f"{PING[:-1]}id: {number}\n\n"


def response(stream: AsyncIterator[str]) -> Response:
    """The answer that is this stream, for as long as its client reads it."""
    answer = Response(stream, content_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
    answer.timeout = None
    return answer


def last_event_id() -> int | None:
    """What the client has seen last, if it says so."""
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < LONGEST_ID else None
