"""How everything is that is configured: the service, its stores, their schema, the keyring."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from actors.adapters.keyring import Keyring, KeyringError
from actors.adapters.postgres import PostgresStore
from actors.adapters.redis import Server
from actors.adapters.schema import Schema
from ops.control.errors import ControlError, Declined, NoAnswer
from ops.control.place import Place
from ops.control.screen import Screen
from ops.control.service import Service
from ops.control.stores import in_postgres, redis_server
from ops.migrate import MigrationError, missing

OK, BAD, UNKNOWN = "ok", "bad", "unknown"
OLDEST_POSTGRES, OLDEST_REDIS = 15, (7, 0)
PATIENCE = 10.0
MIGRATE = "run python -m ops.migrate"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part is, and if it is bad what to do. `unknown` is what is not configured or could not be looked at."""

    part: str
    verdict: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Health:
    """Everything together. `said` is the answer of /readyz, if that was yes."""

    findings: tuple[Finding, ...]
    said: dict[str, Any]
    answers: bool

    @property
    def exit_code(self) -> int:
        """0 if all is well, 3 if no service answers, else 1."""
        if not self.answers:
            return NoAnswer.code
        return Declined.code if any(finding.verdict == BAD for finding in self.findings) else 0


def show_health(screen: Screen, place: Place) -> int:
    """Look at everything and show it, a line for each part; the exit code."""
    health = examine(place)
    unready = {"status": "not_ready" if health.answers else "no_answer", "environment": None}
    parts = [asdict(finding) for finding in health.findings]
    lines = (f"{finding.verdict:<8}{finding.part:<12}{finding.sentence}" for finding in health.findings)
    screen.show(unready | health.said | {"well": not health.exit_code, "parts": parts}, "\n".join(lines))
    return health.exit_code


def examine(place: Place) -> Health:
    """Look at every part; what is wrong with one keeps no other from being looked at."""
    service, said, answers = _service(place.url)
    parts = chain(service, _postgres(place), _redis(place), _keyring(place))
    return Health(tuple(parts), said, answers)


def _service(url: str) -> tuple[list[Finding], dict[str, Any], bool]:
    service = Service(url, "none", PATIENCE)
    try:
        environment = _environment(service.ask("GET", "/healthz"), url)
    except ControlError as error:
        unseen = Finding("ready", UNKNOWN, "the service does not answer")
        return [Finding("service", BAD, str(error)), unseen], {}, False
    first = Finding("service", OK, f"{url} answers ({environment})")
    try:
        said = service.ask("GET", "/readyz")
    except ControlError as error:
        sentence = f"{error}: its log tells more, and the other lines perhaps"
        return [first, Finding("ready", BAD, sentence)], {}, True
    return [first, Finding("ready", OK, f"takes work ({said['status']})")], said, True


def _environment(alive: Mapping[str, Any], url: str) -> str:
    """What /healthz names, which others' does not. Raises NoAnswer."""
    if "environment" not in alive:
        raise NoAnswer(f"what answers at {url} is not this service: is --url right?")
    return str(alive["environment"])


def _postgres(place: Place) -> Iterator[Finding]:
    url, fault = _said("postgresql", "DATABASE_URL", lambda: place.database_url)
    if url is None:
        yield fault
        yield Finding("migrations", UNKNOWN, "PostgreSQL was not looked at")
        return
    try:
        (text, major), history, misfit = in_postgres(url, _schema)
    except ControlError as error:
        yield Finding("postgresql", BAD, str(error))
        yield Finding("migrations", UNKNOWN, "PostgreSQL could not be asked")
        return
    yield of_postgres(text, major)
    yield _migrations(history, misfit)


def of_postgres(text: str, major: int) -> Finding:
    """What is said of a server with this version."""
    if major < OLDEST_POSTGRES:
        return Finding("postgresql", BAD, f"{text} is too old: {OLDEST_POSTGRES} is the oldest that works")
    return Finding("postgresql", OK, f"{text} answers")


async def _schema(store: PostgresStore) -> tuple[tuple[str, int], Mapping[str, str] | None, str | None]:
    schema = Schema(store.database)
    return await schema.server(), await schema.applied(), await schema.misfit()


def _migrations(history: Mapping[str, str] | None, misfit: str | None) -> Finding:
    """What the history says, or, to a login that is not shown it, what the service's own statements find."""
    if history is not None:
        try:
            lacks = missing(history)
        except MigrationError as error:
            return Finding("migrations", BAD, str(error))
        if lacks:
            return Finding("migrations", BAD, f"{len(lacks)} are missing, from {lacks[0]} on: {MIGRATE}")
    if misfit is not None:
        return Finding("migrations", BAD, f"the database does not fit this release ({misfit}): {MIGRATE}")
    if history is None:
        return Finding("migrations", OK, "every statement of the service finds its tables and columns")
    return Finding("migrations", OK, f"all {len(history)} are applied")


def _redis(place: Place) -> Iterator[Finding]:
    url, fault = _said("redis", "REDIS_URL", lambda: place.redis_url)
    if url is None:
        yield fault
        return
    try:
        yield of_redis(redis_server(url))
    except ControlError as error:
        yield Finding("redis", BAD, str(error))


def of_redis(server: Server) -> Finding:
    """What is said of this server."""
    numbers = re.match(r"(\d+)\.(\d+)", server.version or "")
    if numbers is None:
        return Finding("redis", OK, f"{server.name} answers, and does not say its version")
    if tuple(map(int, numbers.groups())) < OLDEST_REDIS:
        return Finding(
            "redis", BAD, f"{server.name} {server.version} is too old: 7.0 is the oldest that works"
        )
    return Finding("redis", OK, f"{server.name} answers, with the commands of {server.version}")


def _keyring(place: Place) -> Iterator[Finding]:
    if place.keyring is None:
        yield _not_given("keyring", "BACKUP_ENCRYPTION_KEY_PATH")
        return
    try:
        ring = Keyring.read(place.keyring)
    except KeyringError as error:
        yield Finding("keyring", BAD, str(error))
        return
    yield Finding("keyring", OK, f"{ring.current!r} seals; keys in all: {len(ring.names)}")


def _said(part: str, variable: str, look: Callable[[], str | None]) -> tuple[str | None, Finding]:
    """The URL, or what to say instead of a look."""
    try:
        return look(), _not_given(part, variable)
    except ControlError as error:
        return None, Finding(part, BAD, str(error))


def _not_given(part: str, variable: str) -> Finding:
    return Finding(part, UNKNOWN, f"not configured here: {variable} is not set")
