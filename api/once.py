"""Requests that must not be carried out twice: one transaction, one answer, however often it is sent.

Kept are a keyed hash of the request, never what it holds, and the answer, which holds no secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from actors.core.secret import Secret
from actors.core.transitions import Refused
from actors.errors import MailboxFull, StoreUnavailable
from actors.ports import Answered
from api.doors import Doors
from api.errors import AlreadyAuthorized, LimitReached, SessionTaken, TransactionInWork, TransactionReused
from api.tickets import derive_key

KEPT = 600.0
DAY = 86_400.0
IN_WORK = 60.0
"""Seconds after which a transaction that got no answer may be tried again: longer than any request is worked on."""

ASK_AGAIN = 1.0

NOT_BEGUN = (Refused, MailboxFull, LimitReached, AlreadyAuthorized, SessionTaken)
"""After these nothing was done, so the same transaction may come again."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What must happen once: `name` is unique in its `scope`, `request` is everything in which two may differ.

    The answer is kept for `kept` seconds.
    """

    scope: Secret
    name: str
    request: list[str | None]
    kept: float = KEPT


async def once(doors: Doors, transaction: Transaction, work: Callable[[], Awaitable[str]]) -> str:
    """The answer to this transaction: by doing the work, or as it was before.

    Raises TransactionReused if the same name came with another request, TransactionInWork, StoreUnavailable, and
    what the work raises. What the work surely did not begin may be sent again under the same name.
    """
    name = _hash(doors, transaction.scope.reveal(), transaction.name)
    fingerprint = _hash(doors, *transaction.request)
    kept = await doors.answers.claim(name, fingerprint, IN_WORK)
    if kept is not None:
        return _repeated(kept, fingerprint)
    try:
        answer = await work()
    except NOT_BEGUN:
        with suppress(StoreUnavailable):
            await doors.answers.forget(name)
        raise
    with suppress(StoreUnavailable):  # the work is done: whoever asks has earned the answer
        await doors.answers.keep(name, Answered(fingerprint, answer), transaction.kept)
    return answer


async def first_time(doors: Doors, scope: str, name: str, within: float) -> bool:
    """Whether this name comes for the first time in this many seconds. Raises StoreUnavailable."""
    return await doors.answers.claim(_hash(doors, scope, name), "", within) is None


def _repeated(kept: Answered, fingerprint: str) -> str:
    if not hmac.compare_digest(kept.fingerprint, fingerprint):
        raise TransactionReused
    if kept.answer is None:
        raise TransactionInWork(retry_after=ASK_AGAIN)
    return kept.answer


def _hash(doors: Doors, *parts: str | None) -> str:
    """Keyed, because a code has few digits: a plain hash of it could be guessed back."""
    key = derive_key(doors.token_key, "usm answers v1")
    return hmac.digest(key, json.dumps(parts).encode(), hashlib.sha256).hex()
