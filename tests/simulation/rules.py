"""What must hold in every run, and the run's trace, which can be compared by its hash."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

import trio

from actors.core.names import SessionKey
from actors.core.record import Record, to_record
from actors.core.states import SessionState, State
from actors.ports import Saved, Transition

EPSILON = 0.001
"""Seconds of virtual time that something may take beside what it waits for."""

ABSENT = Record(SessionState.ABSENT)
HOLDING = (SessionState.AUTHORIZED, SessionState.STALE)


class Rules:
    """The referee of one run. The first broken rule ends it, by cancelling `scope`."""

    def __init__(self, scope: trio.CancelScope, show: Callable[[str], object] | None = None) -> None:
        self.scope = scope
        self._show = show
        self.broken: list[str] = []
        self.counts: Counter[str] = Counter()
        self.history: dict[SessionKey, list[Saved]] = {}
        self._known: dict[SessionKey, int] = {}
        self._trace = hashlib.sha256()

    @property
    def trace(self) -> str:
        """The hash of everything that happened until now."""
        return self._trace.hexdigest()

    def note(self, what: str, key: SessionKey | None = None, detail: object = "") -> None:
        """One more line of the trace."""
        self.counts[what] += 1
        line = f"{trio.current_time():.6f} {key} {what} {detail}\n"
        self._trace.update(line.encode())
        if self._show is not None:
            self._show(line)

    def hold(self, condition: object, sentence: str, key: SessionKey | None = None) -> None:
        """Unless the condition holds, the rule that this sentence says is broken."""
        if not condition:
            self.broken.append(f"{sentence} ({key}, after {trio.current_time():.3f} s)")
            self.scope.cancel()

    # -- what is saved

    def saved(self, key: SessionKey, saved: Saved, transition: Transition | None) -> None:
        """A row was written: the journal's line must lead from the row before it to this one."""
        rows = self.history.setdefault(key, [])
        before = rows[-1].record if rows else ABSENT
        rows.append(saved)
        after = saved.record
        self.note("saved", key, f"{saved.version} {after.state} {after.reason}")
        self.hold(saved.version == len(rows), "versions are contiguous", key)
        if transition is None:
            same = (before.state, before.reason) == (after.state, after.reason)
            self.hold(same, f"no change without a line in the journal: {before.state} to {after.state}", key)
        else:
            self.hold(transition.before == before.state, "the journal goes on where it ended", key)
            leads_here = (transition.after, transition.reason) == (after.state, after.reason)
            self.hold(leads_here, "replaying the journal gives the row's state", key)
        known = before.account_id is None or after.account_id is not None
        self.hold(known, "a session that had an account never becomes ABSENT", key)

    def rows_since(self, key: SessionKey, count: int) -> list[Record]:
        """The record after `count` writes, and all that came after it."""
        rows = [ABSENT, *(saved.record for saved in self.history.get(key, []))]
        return rows[count:]

    def row(self, key: SessionKey) -> Record:
        """What is saved now."""
        return self.rows_since(key, 0)[-1]

    def confirmed(self, key: SessionKey, version: int) -> None:
        """A process has learnt that this row is the present one."""
        self._known[key] = max(version, self.known(key))

    def known(self, key: SessionKey) -> int:
        """The version that processes know of. The commit of a later one may not have been confirmed."""
        return self._known.get(key, 0)

    # -- what is answered

    def told(self, key: SessionKey, state: State, since: int) -> None:
        """Somebody was shown this state; it must have been saved, and not be older than their question."""
        was_saved = to_record(state) in self.rows_since(key, since)
        self.hold(was_saved, f"only what is saved is told: {state.name}", key)

    def in_time(self, key: SessionKey, asked_at: float, within: float) -> None:
        """An ask has ended, one way or the other."""
        late = trio.current_time() - asked_at - within
        self.hold(late <= EPSILON, f"every ask ends within its deadline: {late:.3f} s late", key)
