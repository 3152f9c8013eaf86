"""Logs: a JSON object a line (or colours for people), the same for our code and for libraries, redacted."""

from __future__ import annotations

import logging
import math
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from actors.core.import_plan import TROUBLES
from actors.events import (
    CredentialUnopened,
    FileLockRefused,
    FileQuarantined,
    FileUnwritten,
    FingerprintDrifted,
    Transitioned,
)
from api.events import LimitHit
from supervisor.events import (
    BackupsFailed,
    BackupsRan,
    CircuitChanged,
    Event,
    Farewell,
    LifeCrashed,
    LifeHeld,
    NodeBraked,
    NodeFenced,
    NodeLost,
    NodeReleased,
    Orphaned,
    OwnershipEvent,
    OwnershipIncident,
    RenewalEnded,
    RenewalOutcome,
    RequestCrashed,
    RowDenied,
    SessionBackup,
    SessionConverted,
    SessionParked,
    WebhookGivenUp,
    WebhookTried,
)

SECRET_NAMES = re.compile(
    r"password|secret|token|code|auth_key|api_hash|phone|ticket|jwt|authorization", re.IGNORECASE
)
SECRET_SHAPES = re.compile(
    r"tg://login\?token=[\w=-]+"  # a QR's content
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JWT
    r"|\b\d{6,}:[\w-]{30,}"  # a bot token
    r"|\busm_[a-z0-9]{12}_[\w-]{43}"  # an API key of ours
    r"|\bhash=[0-9a-f]{64}"  # what Telegram signed for a Mini App
    r"|\+\d{7,15}\b"  # a phone number
    r"|\b1[\w-]{350,}={0,2}"  # a Telethon session string
)
STARS = "***"


def redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what is named like a secret, and what has the shape of one, wherever it stands."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: object) -> object:
    """The value as it may be written under this name: plain JSON without secrets."""
    if SECRET_NAMES.search(name):
        return STARS
    match value:
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case dict():
            return {_without_shapes(str(key)): _redacted(str(key), inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted("", inner) for inner in value]
        case str():
            return _without_shapes(value)
        case _:
            return _without_shapes(repr(value))


def _without_shapes(text: str) -> str:
    return SECRET_SHAPES.sub(STARS, text)


def configure(level: str, style: str, *, sandbox: bool) -> None:
    """Send everything, the libraries' logs included, through one chain to standard error."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _label(sandbox=sandbox),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    last = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("telethon").setLevel(
        logging.CRITICAL
    )  # it logs requests; what matters reaches us as errors
    logging.getLogger("hypercorn").setLevel(logging.WARNING)


def _label(*, sandbox: bool) -> Any:
    def add(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if sandbox:
            event["environment"] = "sandbox"
        return event

    return add


def note(event: Event) -> None:
    """Write the events that an operator wants to read; the metrics count the rest."""
    if isinstance(event, OwnershipEvent):
        _note_node(event)
        return
    log = structlog.get_logger("supervisor")
    match event:
        case Transitioned(key=key):
            log.info(
                "session changed",
                session=str(key),
                before=event.before,
                after=event.after,
                reason=event.reason,
                because=event.message,
            )
        case FileQuarantined() | FileUnwritten() | FileLockRefused() | FingerprintDrifted():
            _note_file(event)
        case CredentialUnopened(key=key, why=why):
            log.error("credential cannot be opened", session=str(key), why=why)
        case LifeCrashed(key=key, error=error, delay=delay):
            log.warning("session crashed", session=str(key), restart_in=round(delay, 1), exc_info=error)
        case SessionParked(key=key, error=error, seconds=seconds):
            log.error("session parked", session=str(key), rest=round(seconds), exc_info=error)
        case LifeHeld(key=key, error=error):
            log.warning("session crashed while restarts are held", session=str(key), exc_info=error)
        case RequestCrashed(key=key, error=error):
            log.error("a request of another node crashed", session=str(key), exc_info=error)
        case NodeBraked(crashed=crashed, running=running):
            log.error("many sessions crashed at once, restarts are held", crashed=crashed, running=running)
        case NodeReleased():
            log.warning("a minute without a crash, restarts go on")
        case CircuitChanged(scope=scope, circuit=circuit):
            whose = {} if event.of is None else {"of": event.of}
            log.warning("circuit changed", scope=scope, circuit=circuit.name.lower(), **whose)
        case Farewell(key=key, outcome=outcome, error=error):
            level = logging.INFO if error is None else logging.ERROR
            log.log(level, "logout of an unused key", session=str(key), outcome=outcome, exc_info=error)
        case SessionConverted(path=path, outcome=outcome, why=why) if outcome in TROUBLES:
            log.warning("session file not taken over", file=path, outcome=outcome, why=why)
        case Orphaned(message=message, error=error):
            log.warning("nobody awaited an asyncio failure", failure=message, error=type(error).__name__)
        case SessionBackup() | BackupsRan() | BackupsFailed():
            _note_backups(event)
        case WebhookTried() | WebhookGivenUp():
            _note_webhook(event)
        case RowDenied():
            log.error("row level security refused a statement")
        case LimitHit(limit=limit, key=key):
            log.warning("limit reached", limit=limit, session=str(key))
        case _:
            pass


def _note_file(event: FileQuarantined | FileUnwritten | FileLockRefused | FingerprintDrifted) -> None:
    log = structlog.get_logger("supervisor")
    match event:
        case FileQuarantined(key=key, name=name):
            log.error("session file put in quarantine", session=str(key), file=name)
        case FileUnwritten(key=key, error=error):
            log.error("session file cannot be written", session=str(key), exc_info=error)
        case FileLockRefused(key=key):
            log.warning("session file is open in another program, close it there", session=str(key))
        case FingerprintDrifted(key=key):
            log.warning("session file is not as it was written", session=str(key))


def _note_webhook(event: WebhookTried | WebhookGivenUp) -> None:
    log = structlog.get_logger("supervisor")
    of = {"tenant": event.tenant_id, "webhook": event.webhook_id}
    match event:
        case WebhookTried(error=error) if error is not None:
            log.error("webhook not sent", **of, exc_info=error)
        case WebhookTried():
            pass
        case WebhookGivenUp(trouble=trouble):
            log.warning("webhook given up", **of, trouble=trouble)


def _note_node(event: OwnershipEvent) -> None:
    log = structlog.get_logger("supervisor")
    match event:
        case RenewalEnded(outcome=RenewalOutcome.CONFIRMED):
            pass
        case RenewalEnded(outcome=outcome):
            log.warning("this node was not renewed", outcome=outcome)
        case NodeFenced(cause=cause):
            log.error("this node is not to be trusted, its connections are aborted", cause=cause)
        case NodeLost(node=node, how=how, sessions=sessions):
            log.warning("another node is gone", node=node, how=how, sessions=sessions)
        case OwnershipIncident(seconds=seconds):
            log.critical(
                "auth keys are in use twice: nobody connects, see ops/docs/ownership.md", hold=seconds
            )


def _note_backups(event: SessionBackup | BackupsRan | BackupsFailed) -> None:
    log = structlog.get_logger("supervisor")
    match event:
        case SessionBackup(key=key, error=error) if error is not None:
            log.error("backup failed", session=str(key), outcome=event.outcome, why=str(error))
        case SessionBackup():
            pass
        case BackupsRan():
            log.info(
                "backups ran",
                made=event.made,
                unchanged=event.unchanged,
                failed=event.failed,
                removed=event.removed,
                seconds=round(event.seconds, 1),
            )
        case BackupsFailed(error=error):
            log.error("backups failed", retry_in=round(event.retry_after), why=str(error), exc_info=error)
