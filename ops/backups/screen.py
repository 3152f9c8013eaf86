"""What the command line shows: tables for people, one JSON object for programs, refusals with their code."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from actors.adapters.backups.folder import Entry, Opened
from actors.core.names import SessionKey


@dataclass(frozen=True, slots=True)
class Verdict:
    """What opening a backup showed; `code` and `why` are empty if it is good."""

    key: SessionKey
    backup_id: str
    code: str = ""
    why: str = ""


class Screen:
    """Shows results. Everything goes to standard output but progress, and refusals for people."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._out = Console(soft_wrap=True, highlight=False)
        self._err = Console(stderr=True, soft_wrap=True, highlight=False)

    def progress(self) -> Progress:
        """A bar on standard error; nothing for programs, or where nobody looks."""
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        hidden = self._as_json or not sys.stderr.isatty()
        return Progress(*columns, console=self._err, transient=True, disable=hidden)

    def refuse(self, code: str, sentence: str, exit_code: int) -> int:
        """Say why not; the exit code."""
        if self._as_json:
            self._json({"error": {"code": code, "message": sentence}})
        else:
            self._err.print(f"backup_scheduler.py: {sentence} [{code}]", markup=False)
        return exit_code

    def made(self, key: SessionKey, entry: Entry) -> int:
        """A backup was made."""
        if self._as_json:
            self._json({"session": str(key), "backup": _entry(entry), "path": str(entry.path)})
        else:
            self._out.print(f"{key} is backed up: {entry.path}", markup=False)
        return 0

    def listed(self, key: SessionKey, folder: str, entries: Sequence[Entry]) -> int:
        """A session's backups."""
        if self._as_json:
            backups = [_entry(entry) for entry in entries]
            self._json({"session": str(key), "folder": folder, "backups": backups})
            return 0
        if not entries:
            self._out.print(f"{key} has no backup in {folder}", markup=False)
            return 0
        table = Table(title=f"Backups of {key}, newest first (times are UTC)", title_justify="left", box=None)
        for name in ("backup", "bytes", "account", "key"):
            table.add_column(name, no_wrap=True, justify="right" if name in {"bytes", "account"} else "left")
        for entry in entries:
            header = entry.header
            who = ("?", "unreadable") if header is None else (str(header.account_id), header.key_name)
            table.add_row(entry.id, str(entry.size), *who)
        self._out.print(table)
        return 0

    def verified(self, verdicts: Sequence[Verdict]) -> int:
        """What became of opening backups: 1 if one is bad."""
        bad = [verdict for verdict in verdicts if verdict.code]
        if self._as_json:
            told = [
                {"session": str(one.key), "backup": one.backup_id, "code": one.code, "message": one.why}
                for one in bad
            ]
            self._json({"checked": len(verdicts), "good": len(verdicts) - len(bad), "bad": told})
            return 1 if bad else 0
        for one in bad:
            self._out.print(f"BAD {one.key} {one.backup_id}: {one.why} [{one.code}]", markup=False)
        self._out.print(f"{len(verdicts) - len(bad)} of {len(verdicts)} backups are good", markup=False)
        return 1 if bad else 0

    def restored(self, key: SessionKey, opened: Opened, version: int) -> int:
        """A login was put back."""
        moment = _moment(opened.header.created_at)
        if self._as_json:
            self._json(
                {
                    "session": str(key),
                    "backup": opened.id,
                    "account_id": opened.header.account_id,
                    "state": "STALE",
                    "version": version,
                }
            )
            return 0
        self._out.print(
            f"{key} has the login of {moment} UTC back (account {opened.header.account_id}). It is STALE until "
            "Telegram has been asked: start the supervisor, which does that through the session's own connection.",
            markup=False,
        )
        return 0

    def _json(self, value: dict[str, Any]) -> None:
        print(json.dumps(value))


def _entry(entry: Entry) -> dict[str, Any]:
    header = entry.header
    return {
        "id": entry.id,
        "created_at": datetime.fromtimestamp(entry.created_at, UTC).isoformat(),
        "bytes": entry.size,
        "account_id": None if header is None else header.account_id,
        "key": None if header is None else header.key_name,
        "environment": None if header is None else header.environment,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
