"""Takes over, once and in the background, the sessions that already lie in the service's own folder."""

from __future__ import annotations

import structlog

from actors.core.import_plan import Outcome, Verdict
from actors.errors import StoreRefused, StoreUnavailable
from supervisor.events import SessionConverted, Tell
from supervisor.imports import Imports

log = structlog.get_logger(__name__)


async def discover(imports: Imports, tell: Tell) -> None:
    """Import what the folder holds, stopped, and tell of every file. What cannot be done now, the next start does."""
    counts = dict.fromkeys(Outcome, 0)

    def done(verdict: Verdict) -> None:
        counts[verdict.outcome] += 1
        tell(SessionConverted(verdict.path, verdict.outcome, verdict.sentence))

    try:
        await imports.carry_out(await imports.plan(), done)
    except* (StoreUnavailable, StoreRefused, OSError) as group:
        log.warning("sessions could not all be discovered", error=str(_first(group)))
    log.info("sessions discovered", **{str(outcome): count for outcome, count in counts.items() if count})


def _first(error: BaseException) -> BaseException:
    """What is at the bottom of a group: several writers meet one and the same trouble."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
