"""Requests that must not be carried out twice: one transaction, one answer, however often it is sent.

Kept are a keyed hash of the request, never what it holds, and the answer, which holds no secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

from actors.core.secret import Secret
from actors.core.transitions import Refused
from actors.errors import MailboxFull, StoreUnavailable
from actors.ports import Answered
from api.doors import Doors
from api.errors import TransactionInWork, TransactionReused
from api.tickets import derive_key

KEPT = 600.0
IN_WORK = 60.0
"""Seconds after which a transaction that got no answer may be tried again: longer than any request is worked on."""

ASK_AGAIN = 1.0


async def once(
    doors: Doors, ticket: Secret, txn_id: str, request: list[str | None], work: Callable[[], Awaitable[str]]
) -> str:
    """The answer to this transaction of this ticket: by doing the work, or as it was before.

    Raises TransactionReused if the same id came with another request, TransactionInWork, StoreUnavailable, and
    what the work raises. What the work surely did not begin may be sent again under the same id.
    """
    name, fingerprint = _hash(doors, ticket.reveal(), txn_id), _hash(doors, *request)
    kept = await doors.answers.claim(name, fingerprint, IN_WORK)
    if kept is not None:
        return _repeated(kept, fingerprint)
    try:
        answer = await work()
    except (Refused, MailboxFull):
        with suppress(StoreUnavailable):
            await doors.answers.forget(name)
        raise
    with suppress(StoreUnavailable):  # the work is done: whoever asks has earned the answer
        await doors.answers.keep(name, Answered(fingerprint, answer), KEPT)
    return answer


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
