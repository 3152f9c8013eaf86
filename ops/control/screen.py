"""What `sessionctl` shows: tables and sentences for people, or JSON for programs."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

NAMED_BY = {"name", "of", "tenant", "app"}
FINDER = 7
"""Modules of the dark bar with which every QR begins."""


class Screen:
    """Standard output, for people or for programs; sentences on the way go to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True)

    def show(self, value: Any, sentence: str) -> None:
        """One result."""
        print(json.dumps(value) if self.as_json else sentence, flush=True)

    def table(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Many of one kind."""
        if self.as_json:
            print(json.dumps(list(rows)))
            return
        table = Table(box=None, pad_edge=False)
        texts = [[_text(row.get(column)) for column in columns] for row in rows]
        for at, column in enumerate(columns):
            # In a narrow terminal a line goes on in the next one: half a name names nothing.
            widest = max(len(text) for text in (column, *(cells[at] for cells in texts)))
            table.add_column(column, no_wrap=True, min_width=widest)
        for cells in texts:
            table.add_row(*cells)
        self._console.print(table)

    def sessions(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """How sessions are, a line each."""
        columns = ("tenant_id", "app_id", "state", "substate", "reason", "user_action", "desired_state")
        self.table(rows, columns)

    def session(self, session: Mapping[str, Any]) -> None:
        """How one session is."""
        self.show(session, session_line(session))

    def tree(self, value: Mapping[str, Any]) -> None:
        """Something with parts that have parts."""
        if self.as_json:
            print(json.dumps(value))
            return
        root = Tree("supervisor")
        _grow(root, value)
        self._console.print(root)

    def aside(self, sentence: str) -> None:
        """What is no result."""
        print(sentence, file=sys.stderr, flush=True)


def session_line(session: Mapping[str, Any]) -> str:
    """How a session is, in a sentence."""
    words = [f"{session['tenant_id']}/{session['app_id']} is {session['state']}"]
    words += [f"{name} {session[name]}" for name in ("substate", "reason") if session[name]]
    if session["user_action"] != "none":
        words.append(f"to do: {session['user_action']}")
    words.append(f"since {moment(session['state_since'])}")
    return ", ".join(words)


def event_line(event: Mapping[str, Any]) -> str:
    """What happened, on one line."""
    reason = f" ({event['reason']})" if event["reason"] else ""
    moved = f"{event['before'] or '-'} → {event['after']}{reason}"
    session = f"{event['tenant_id']}/{event['app_id']}"
    return f"{event['id']:>8}  {moment(event['at'])}  {session}  {moved}  {event['message']}"


def modules(picture: str) -> list[list[bool]]:
    """The dark and light modules of the QR in a PNG that came as base64, its margin left out."""
    import png  # noqa: PLC0415 - only logins need it

    width, _, rows, _ = png.Reader(bytes=base64.b64decode(picture)).asRGB8()
    dark = [[row[3 * x] < 128 for x in range(width)] for row in rows]  # noqa: PLR2004 - half of what is white
    top = next(y for y, row in enumerate(dark) if any(row))
    left = dark[top].index(True)
    size = next((x for x in range(left, width) if not dark[top][x]), width) - left
    step = size / FINDER
    count = round((width - 2 * left) / step)
    at = [int(left + (number + 0.5) * step) for number in range(count)]
    return [[dark[y - left + top][x] for x in at] for y in at]


def moment(seconds: float) -> str:
    """A moment, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _grow(branch: Tree, value: Any) -> None:
    match value:
        case Mapping():
            for name, part in value.items():
                _graft(branch, str(name), part)
        case list():
            for part in value:
                _graft(branch, _name(part), part)
        case _:
            branch.add(_text(value))


def _name(part: Any) -> str:
    if not isinstance(part, Mapping):
        return ""
    return str(part.get("name") or part.get("of") or f"{part.get('tenant')}/{part.get('app')}")


def _graft(branch: Tree, name: str, part: Any) -> None:
    if isinstance(part, Mapping | list) and part:
        plain = (
            {}
            if isinstance(part, list)
            else {k: v for k, v in part.items() if not isinstance(v, Mapping | list)}
        )
        words = " ".join(f"{k}={_text(v)}" for k, v in plain.items() if k not in NAMED_BY and v is not None)
        twig = branch.add(f"{name} {words}".strip())
        rest = part if isinstance(part, list) else {k: v for k, v in part.items() if k not in plain}
        _grow(twig, rest)
    elif not isinstance(part, Mapping | list):
        branch.add(f"{name}: {_text(part)}")
