"""Tells tenants by webhook what happens to their sessions: out of an outbox that every node works on."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from datetime import UTC, datetime

import trio

from actors.clock import Clock
from actors.errors import StoreUnavailable
from actors.webhooks import Due, Outbox, SendWebhook, Sent, Trouble
from api.event_replies import event_reply
from supervisor.events import Tell, WebhookGivenUp, WebhookOutcome, WebhookTried
from supervisor.keep_alive import one_life

LOOK_EVERY = 2.0
REST = 0.05
"""Seconds between two looks, however much happens."""

AT_ONCE = 32
ERASE_EVERY = 3600.0

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 28_800.0
TRIES = 11
"""After the eleventh, a little more than a day after the first, a delivery is given up."""

JITTER = 0.2


class Webhooks:
    """Delivers what is due, so many at a time. What a stop or a crash cuts off is tried again after its lease."""

    def __init__(self, outbox: Outbox, send: SendWebhook, clock: Clock, tell: Tell) -> None:
        self._outbox = outbox
        self._send = send
        self._clock = clock
        self._tell = tell
        self._under_way = 0
        self._bell = trio.Event()
        self._erased_at = 0.0

    def ring(self) -> None:
        """There may be something to deliver."""
        self._bell.set()

    async def keep_delivering(self) -> None:
        """Look for what is due, for ever: at once when somebody rings."""
        async with trio.open_nursery() as nursery:
            while True:
                self._bell = trio.Event()
                with suppress(StoreUnavailable):  # the next look will do
                    await self.look(nursery)
                await trio.sleep(REST)
                with trio.move_on_after(LOOK_EVERY):
                    await self._bell.wait()

    async def look(self, nursery: trio.Nursery) -> None:
        """Begin what is due now. Raises StoreUnavailable."""
        if await self._outbox.feed():
            self.ring()  # the journal may have more, of which nothing is wanted and no delivery would ring
        if self._under_way < AT_ONCE:
            for due in await self._outbox.claim(AT_ONCE - self._under_way):
                self._under_way += 1
                nursery.start_soon(self._deliver, due)
        if self._clock.now() - self._erased_at > ERASE_EVERY:
            self._erased_at = self._clock.now()
            await self._outbox.erase()

    async def _deliver(self, due: Due) -> None:
        sent: list[Sent] = []

        async def send() -> None:
            sent.append(await self._send(due, message(due, self._clock.now())))

        try:
            if due.sealed is not None:
                await self._settle(due, Sent(trouble=Trouble.SECRET_SEALED), None)
                return
            error = await one_life(send)
            await self._settle(due, sent[0] if sent else Sent(trouble=Trouble.FAILED), error)
        finally:
            self._under_way -= 1
            self.ring()

    async def _settle(self, due: Due, sent: Sent, error: BaseException | None) -> None:
        with suppress(StoreUnavailable):  # the lease ends, and it is tried once more
            if sent.trouble is None:
                await self._outbox.delivered(due, sent.answer)
                self._tell(WebhookTried(due.tenant_id, due.webhook_id, WebhookOutcome.DELIVERED))
                return
            again_in = pause(due.attempt)
            if await self._outbox.failed(due, sent, again_in):
                self._tell(WebhookGivenUp(due.tenant_id, due.webhook_id, sent.trouble))
            outcome = WebhookOutcome.DEAD if again_in is None else WebhookOutcome(sent.trouble.value)
            self._tell(WebhookTried(due.tenant_id, due.webhook_id, outcome, error))


def message(due: Due, now: float) -> str:
    """The body: what happened, in the same words as in a stream of events; or a test."""
    line = due.line
    at = now if line is None else line.at
    return json.dumps(
        {
            "type": "ping" if line is None else "session.changed",
            "timestamp": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z"),
            "data": {} if line is None else event_reply(line).model_dump(mode="json"),
        }
    )


def pause(attempt: int, chance: float | None = None) -> float | None:
    """Seconds until the next try after this one, three times as long each time; None if there is none."""
    if attempt >= TRIES:
        return None
    part = random.random() if chance is None else chance  # noqa: S311 - it spreads load, nobody need not guess it
    return min(FIRST_PAUSE * 3.0 ** (attempt - 1), LONGEST_PAUSE) * (1 - JITTER + 2 * JITTER * part)
