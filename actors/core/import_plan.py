"""Decides what becomes of each file that holds a login, from what was found and what the database has."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from actors.core.foreign import Fault, Format, Unreadable
from actors.core.names import InvalidName, SessionKey
from actors.core.states import SessionState

_LONGEST_NAME = 64
_SHOWN = 2


class Outcome(StrEnum):
    """What became of a file, or would. A closed set: it labels a metric."""

    IMPORTED = "imported"
    PRESENT = "present"
    COLLISION = "collision"
    DUPLICATE_ACCOUNT = "duplicate_account"
    DUPLICATE_KEY = "duplicate_key"
    REFUSED = "refused"


TROUBLES = frozenset(Outcome) - {Outcome.IMPORTED, Outcome.PRESENT}
"""What somebody has to look at."""


class Prefer(StrEnum):
    """Which of several files is taken, where only one can be."""

    NONE = "none"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that holds a login, and the session that it would become. `fingerprint` tells auth keys apart."""

    path: str
    key: SessionKey
    format: Format
    account_id: int
    fingerprint: str
    modified: float


class Holding(StrEnum):
    """Whether a session holds an auth key."""

    NOW = "now"
    ONCE = "once"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database has to do with a candidate: a session of its name, and others of its account or its key."""

    state: SessionState | None = None
    holding: Holding = Holding.NEVER
    others_with_key: tuple[SessionKey, ...] = ()
    others_with_account: tuple[SessionKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a file, and why."""

    path: str
    outcome: Outcome
    sentence: str
    key: SessionKey | None = None
    format: Format | None = None
    account_id: int | None = None


def refusal(path: str, fault: Unreadable) -> Verdict:
    """The verdict on a file that no login can be taken from."""
    return Verdict(path, Outcome.REFUSED, f"{fault.fault}: {fault}")


def session_key(parts: Sequence[str], tenant: str) -> SessionKey:
    """The session that a file's place names: TENANT/APP.suffix, or APP.suffix for `tenant`. Raises Unreadable."""
    app = parts[-1].rpartition(".")[0]
    tenant_id = parts[0] if len(parts) > 1 else tenant
    try:
        return SessionKey(tenant_id, app)
    except InvalidName:
        suffix = parts[-1].rpartition(".")[2]
        better = "/".join(_suggested(name) for name in (*parts[:-1], app))
        raise Unreadable(
            Fault.NAME,
            "a tenant and an app are named by 1 to 64 letters, digits, '_' and '-', first a letter or digit: "
            f"rename it to {better}.{suffix}",
        ) from None


def _suggested(name: str) -> str:
    """A name that is allowed, as like to this one as can be."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name, flags=re.ASCII).lstrip("_-")
    return plain[:_LONGEST_NAME].rstrip("-") or "session"


def plan(
    candidates: Collection[Candidate],
    standings: Mapping[str, Standing],
    *,
    prefer: Prefer = Prefer.NONE,
    same_account: bool = False,
) -> list[Verdict]:
    """A verdict for each candidate, in its order. `standings` are by path.

    Two files for one session, one auth key or one account rule each other out, unless the newest is preferred.
    `same_account` lets one account have several sessions, as Telegram does.
    """
    free: list[Candidate] = []
    settled: dict[str, Verdict] = {}
    for candidate in candidates:
        verdict = _against_database(candidate, standings[candidate.path], same_account=same_account)
        if verdict is None:
            free.append(candidate)
        else:
            settled[candidate.path] = verdict
    for candidate, verdict in _against_each_other(free, prefer, same_account=same_account):
        settled[candidate.path] = verdict
    return [settled[candidate.path] for candidate in candidates]


def _verdict(candidate: Candidate, outcome: Outcome, sentence: str) -> Verdict:
    return Verdict(candidate.path, outcome, sentence, candidate.key, candidate.format, candidate.account_id)


def _against_database(candidate: Candidate, standing: Standing, *, same_account: bool) -> Verdict | None:
    """What the database says; None if nothing there is in the way."""
    if standing.holding is Holding.NOW:
        return _verdict(candidate, Outcome.PRESENT, "it is there already")
    if standing.holding is Holding.ONCE:
        return _verdict(
            candidate,
            Outcome.REFUSED,
            "ended: the session had this auth key once and gave it up, so it is never used again; log in anew",
        )
    if standing.others_with_key:
        holder = _names(standing.others_with_key)
        return _verdict(candidate, Outcome.DUPLICATE_KEY, f"its auth key is that of {holder} already")
    if standing.state not in {None, SessionState.ABSENT}:
        return _verdict(
            candidate,
            Outcome.COLLISION,
            f"{candidate.key} is {standing.state} with another auth key: give the file another name",
        )
    if standing.others_with_account and not same_account:
        holder = _names(standing.others_with_account)
        return _verdict(candidate, Outcome.DUPLICATE_ACCOUNT, f"its account is that of {holder} already")
    return None


def _against_each_other(
    free: Sequence[Candidate], prefer: Prefer, *, same_account: bool
) -> Iterable[tuple[Candidate, Verdict]]:
    groups = _groups(free, same_account=same_account)
    for candidate in free:
        yield candidate, _among_rivals(candidate, groups, prefer)


def _groups(
    free: Sequence[Candidate], *, same_account: bool
) -> Mapping[tuple[Outcome, Hashable], list[Candidate]]:
    groups = defaultdict(list)
    for candidate in free:
        for claim in _claims(candidate):
            if not (same_account and claim[0] is Outcome.DUPLICATE_ACCOUNT):
                groups[claim].append(candidate)
    return groups


def _claims(candidate: Candidate) -> tuple[tuple[Outcome, Hashable], ...]:
    """What only one file can have, and what it is called if two do: the gravest first."""
    return (
        (Outcome.DUPLICATE_KEY, candidate.fingerprint),
        (Outcome.COLLISION, candidate.key),
        (Outcome.DUPLICATE_ACCOUNT, candidate.account_id),
    )


_SHARED = {
    Outcome.DUPLICATE_KEY: "its auth key",
    Outcome.COLLISION: "its name",
    Outcome.DUPLICATE_ACCOUNT: "its account",
}


def _among_rivals(
    candidate: Candidate, groups: Mapping[tuple[Outcome, Hashable], list[Candidate]], prefer: Prefer
) -> Verdict:
    for claim in _claims(candidate):
        rivals = [rival for rival in groups.get(claim, ()) if rival is not candidate]
        if prefer is Prefer.NEWEST:
            rivals = [rival for rival in rivals if _age(rival) > _age(candidate)]
        if rivals:
            others = _some(sorted(rival.path for rival in rivals))
            fix = "" if prefer is Prefer.NEWEST else ": put one aside, or let --prefer newest choose"
            return _verdict(candidate, claim[0], f"{_SHARED[claim[0]]} is also that of {others}{fix}")
    return _verdict(candidate, Outcome.IMPORTED, "")


def _age(candidate: Candidate) -> tuple[float, str]:
    return candidate.modified, candidate.path


def _names(keys: Sequence[SessionKey]) -> str:
    return _some([str(key) for key in keys])


def _some(names: Sequence[str]) -> str:
    """The first two of them, and how many more there are."""
    more = len(names) - _SHOWN
    return " and ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
