"""What is told of a line of the journal, the same in a list, in a stream and in a webhook."""

from __future__ import annotations

from actors.ports import JournalLine
from api.replies import Reply


class EventReply(Reply):
    """A session changed. `id` counts the tenant's events without a gap, `version` the session's."""

    id: int
    tenant_id: str
    app_id: str
    version: int
    at: float
    message: str
    before: str | None
    after: str
    reason: str | None


class EventsReply(Reply):
    """Some events of a session, newest first. With `next_cursor` the next request goes on; null means no more."""

    events: list[EventReply]
    next_cursor: int | None


def event_reply(line: JournalLine) -> EventReply:
    """This line, as it is told."""
    return EventReply(
        id=line.seq,
        tenant_id=line.key.tenant_id,
        app_id=line.key.app_id,
        version=line.version,
        at=line.at,
        message=line.message,
        before=line.before,
        after=line.after,
        reason=line.reason,
    )
