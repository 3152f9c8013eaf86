"""What an import shows: a table and a summary for people, one JSON object for programs, refusals with their code."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from actors.core.import_plan import TROUBLES, Outcome, Verdict

_WORDS = {
    Outcome.IMPORTED: "imported",
    Outcome.PRESENT: "there already",
    Outcome.COLLISION: "name taken",
    Outcome.DUPLICATE_ACCOUNT: "same account",
    Outcome.DUPLICATE_KEY: "same key",
    Outcome.REFUSED: "refused",
}
_COLOURS = {Outcome.IMPORTED: "green", Outcome.PRESENT: "dim"}


class Screen:
    """Shows results. Everything goes to standard output but progress, and refusals for people."""

    def __init__(self, *, as_json: bool, dry_run: bool) -> None:
        self._as_json = as_json
        self._dry_run = dry_run
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
            print(json.dumps({"error": {"code": code, "message": sentence}}))
        else:
            self._err.print(f"migrate_sessions.py: {sentence} [{code}]", markup=False)
        return exit_code

    def show_so_far(self, verdicts: Sequence[Verdict]) -> None:
        """What was done before it came to an end; programs get one object only, which says why it ended."""
        if verdicts and not self._as_json:
            self.show(verdicts)

    def show(self, verdicts: Sequence[Verdict]) -> int:
        """What became of each file: 1 if somebody has to look at one."""
        verdicts = sorted(verdicts, key=lambda verdict: verdict.path)
        counts = Counter(verdict.outcome for verdict in verdicts)
        if self._as_json:
            files = [_as_json(verdict) for verdict in verdicts]
            summary = {outcome: counts[outcome] for outcome in Outcome}
            print(json.dumps({"dry_run": self._dry_run, "summary": summary, "files": files}))
        else:
            if verdicts:
                self._out.print(self._table(verdicts))
            self._out.print(self._summary(counts), markup=False)
        return 1 if TROUBLES & counts.keys() else 0

    def _table(self, verdicts: Sequence[Verdict]) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("file", "session", "account", "format", "outcome", "why"):
            table.add_column(name, no_wrap=name != "why", overflow="fold")
        for verdict in verdicts:
            word = Text(self._word(verdict.outcome), _COLOURS.get(verdict.outcome, "red"))
            cells = (verdict.path, verdict.key, verdict.account_id, verdict.format)
            table.add_row(*(_cell(cell) for cell in cells), word, Text(verdict.sentence))
        return table

    def _word(self, outcome: Outcome) -> str:
        if self._dry_run and outcome is Outcome.IMPORTED:
            return "would be imported"
        return _WORDS[outcome]

    def _summary(self, counts: Counter[Outcome]) -> str:
        parts = [f"{counts[outcome]} {self._word(outcome)}" for outcome in Outcome if counts[outcome]]
        total = counts.total()
        said = ", ".join(parts) if parts else "nothing to import"
        note = " Nothing was written: this was a dry run." if self._dry_run else ""
        return f"{total} file{'' if total == 1 else 's'}: {said}.{note}"


def _cell(value: object) -> Text:
    return Text("" if value is None else str(value))


def _as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "file": verdict.path,
        "outcome": verdict.outcome,
        "session": None if verdict.key is None else str(verdict.key),
        "account_id": verdict.account_id,
        "format": verdict.format,
        "why": verdict.sentence or None,
    }
