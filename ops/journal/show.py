"""A line of the journal as people read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ops.journal.chain import Line

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def readable(line: Line) -> str:
    """Place, moment (UTC), session with its version, transition, message and reason."""
    columns = (
        f"{line.seq:>6}",
        _moment(line.at),
        f"{line.app_id} v{line.version}",
        f"{line.from_state or '-'} → {line.to_state}",
        line.message,
        line.reason or "",
    )
    return _printable("  ".join(columns)).rstrip()


def _moment(at: int) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=at)
    except OverflowError:
        return f"{at} µs since 2000"
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}Z"


def _printable(text: str) -> str:
    """What is in the journal may not move the reader's cursor."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
