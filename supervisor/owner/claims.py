"""The sessions of this node: how each is taken and given away, and what is owed to the arbiter meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from math import inf

import trio

from actors.arbiter import Arbiter
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Ownership, Taken, Verdict
from actors.epochs import Epochs
from actors.errors import NotOwner, StoreUnavailable
from actors.guard import Guard
from supervisor.alarm import Alarm
from supervisor.events import SessionReleased, SessionTaken, Tell
from supervisor.owner.holding import Holding, Ports
from supervisor.owner.life import Life
from supervisor.ownership import claim as rules
from supervisor.ownership import events as e
from supervisor.ownership.claim import Claim, Past

RELEASE = 3.0
"""Seconds for telling the arbiter; what it was not told then, it is told later."""

RING_EVERY = 0.1

PINGS_AT_ONCE = 25
PINGS_PAUSE = 0.02
"""Seconds between so many pings: they must not hold up everything else."""

Verify = Callable[[NodeEpoch, SessionKey, int, bool], Awaitable[Verdict]]


class Claims:
    """All holdings of this node. `verify` asks the arbiter from where connections are opened."""

    def __init__(
        self, life: Life, arbiter: Arbiter, epochs: Epochs, ports: Ports, tell: Tell, verify: Verify
    ) -> None:
        self.timings = life.timings
        self.ports = ports
        self._life = life
        self._arbiter = arbiter
        self._epochs = epochs
        self._tell = tell
        self._verify = verify
        self._held: dict[SessionKey, Holding] = {}
        self._reassigned: dict[SessionKey, Claim] = {}
        self._unreleased: dict[SessionKey, tuple[Taken, e.Release]] = {}
        self._trusted = Alarm()
        self._freed = Alarm()
        self._freed_for: set[str] = set()
        self._is_fenced = False
        self.past_of: Callable[[NodeEpoch | None], Past] = lambda _: Past.UNKNOWN
        """What is known of those who had a session before: whoever watches the others says so."""
        self.successor_of: Callable[[SessionKey], str | None] = lambda _: None
        """Who should have a session next, when it is given away."""
        self.on_trusted_again: Callable[[], None] = lambda: None
        """Told when this node may connect again after it was fenced."""
        life.listen(self._note_trust, self._fence)

    def __len__(self) -> int:
        """How many sessions this node owns, or is about to."""
        return len(self._held) + len(self._reassigned)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left here that the arbiter does not know of."""
        return not (self._held or self._reassigned or self._unreleased)

    @property
    def is_trusted(self) -> bool:
        """Whether anything may leave this node now."""
        return self._life.is_trusted

    def now(self) -> float:
        """On the machine's own clock."""
        return self._life.clock.now()

    def guard(self, key: SessionKey) -> Guard:
        """The guard of a session that is held here."""
        return self._held[key]

    @asynccontextmanager
    async def holding(self, key: SessionKey, on_lost: Callable[[], None]) -> AsyncIterator[Holding]:
        """Own a session for the length of the block. `on_lost` is called if it turns out to be somebody else's.

        Raises NotOwner if another node has it, and StoreUnavailable.
        """
        holding = Holding(key, await self._claim(key), self, on_lost)
        self._held[key] = holding
        self._epochs.own(key, holding.epoch, holding.lost)
        try:
            yield holding
        finally:
            with trio.CancelScope(shield=True):
                await self._give_away(holding)

    async def reassign(self, fenced: NodeEpoch, limit: int) -> list[SessionKey]:
        """Take at most so many sessions of a life that was ended here; they are `waiting` until they are held."""
        taken = await self._arbiter.reassign(self._life.me, fenced, limit)
        for each in taken:
            self._reassigned[each.key] = self._taken(each, self.past_of(fenced))
        return [each.key for each in taken]

    @property
    def waiting(self) -> list[SessionKey]:
        """The sessions that came here and are not held yet."""
        return list(self._reassigned)

    async def give_back_waiting(self) -> None:
        """Give free what came here and was never held. Raises StoreUnavailable."""
        for key, claim in list(self._reassigned.items()):
            await self._arbiter.release(self._life.me, Taken(key, claim.epoch), is_clean=False)
            self._reassigned.pop(key, None)

    async def _claim(self, key: SessionKey) -> Claim:
        claim = self._reassigned.pop(key, None)
        if claim is not None:
            return claim
        unreleased = self._unreleased.get(key)
        if unreleased is not None:
            await self._tell_release(*unreleased)
        seen = await self._arbiter.look(key) or Ownership(key, 0, None, is_clean=True)
        if seen.owner is None:
            taken = await self._arbiter.acquire(self._life.me, seen)
            past = Past.CLEAN if seen.is_clean else Past.UNKNOWN
        else:
            taken = await self._arbiter.adopt(self._life.me, seen)
            past = self.past_of(seen.owner)
        if taken is None:
            raise NotOwner(f"{key} belongs to another supervisor", retry_after=1.0)
        return self._taken(taken, past)

    def _taken(self, taken: Taken, past: Past) -> Claim:
        self._unreleased.pop(taken.key, None)
        self._tell(SessionTaken(taken.key, past.name.lower()))
        return rules.claimed(taken.epoch, past, self.now(), self.timings)

    async def _give_away(self, holding: Holding) -> None:
        release = await holding.part(self.successor_of(holding.key))
        self.leave(holding)
        if release is None:
            return
        self._tell(SessionReleased(holding.key, is_clean=release.is_clean))
        self._unreleased[holding.key] = (holding.taken, release)
        with trio.move_on_after(RELEASE), suppress(StoreUnavailable):
            await self._tell_release(holding.taken, release)

    async def _tell_release(self, taken: Taken, release: e.Release) -> None:
        await self._arbiter.release(
            self._life.me, taken, is_clean=release.is_clean, next_owner=release.next_owner
        )
        if self._unreleased.get(taken.key) == (taken, release):
            del self._unreleased[taken.key]
        if release.next_owner is not None:
            self._freed_for.add(release.next_owner)
            self._freed.ring()

    # -- for holdings

    async def verify(self, taken: Taken, *, is_clean: bool) -> e.ClaimEvent:
        """What the arbiter says to a connection that is about to be used."""
        try:
            verdict = await self._verify(self._life.me, taken.key, taken.epoch, is_clean)
        except StoreUnavailable:
            return e.VerifyFailed()
        match verdict:
            case Verdict.GRANTED:
                return e.Verified(self.now())
            case Verdict.SESSION_LOST:
                return e.SessionLost()
            case Verdict.NODE_FENCED:
                self._life.deny()
                return e.VerifyFailed()

    def decide(self, claim: Claim, event: e.ClaimEvent) -> rules.Outcome:
        """What the rules say."""
        return rules.step(claim, event, self._life.node, self.timings)

    def leave(self, holding: Holding) -> None:
        """It is not this node's any more."""
        if self._held.get(holding.key) is holding:
            del self._held[holding.key]
            self._epochs.leave(holding.key, holding.epoch)

    # -- what goes on all the time

    def _note_trust(self) -> None:
        self._trusted.ring()
        if self._is_fenced and self.is_trusted:
            self._is_fenced = False
            self.on_trusted_again()

    def _fence(self) -> None:
        self._is_fenced = True
        for holding in list(self._held.values()):
            holding.fenced()

    async def keep_pinging(self) -> None:
        """After each renewal that was confirmed, let every connection ping, a few at a time, for ever."""
        while True:
            await self._trusted.wait(inf)
            await self._ping(list(self._held.values()))

    async def _ping(self, holdings: list[Holding]) -> None:
        for start in range(0, len(holdings), PINGS_AT_ONCE):
            if start:
                await trio.sleep(PINGS_PAUSE)
            for holding in holdings[start : start + PINGS_AT_ONCE]:
                holding.ping_due()

    async def keep_ringing(self, ring: Callable[[str], Awaitable[object]]) -> None:
        """Ring at the nodes that sessions were given free for, a few times a second at most, for ever."""
        while True:
            await self._freed.wait(inf)
            nodes, self._freed_for = self._freed_for, set()
            for node_id in nodes:
                await ring(node_id)
            await trio.sleep(RING_EVERY)

    async def keep_tidy(self) -> None:
        """Tell the arbiter, every period and for ever, what it could not be told before, and what became clean."""
        strays: set[Taken] = set()
        while True:
            await trio.sleep(self.timings.period)
            with suppress(StoreUnavailable):
                await self._tidy()
                strays = await self._give_back(strays)

    async def _tidy(self) -> None:
        for taken, release in list(self._unreleased.values()):
            await self._tell_release(taken, release)
        clean = [each for each in self._unsettled() if each.becomes_clean()]
        if not clean:
            return
        try:
            await self._arbiter.note_clean(self._life.me, [each.taken for each in clean])
        except StoreUnavailable:
            for each in clean:
                each.was_not_noted()
            raise

    async def _give_back(self, before: set[Taken]) -> set[Taken]:
        """Release what was ours at the last look too and nobody here knows of: the reply was lost that gave it."""
        known = {holding.taken for holding in self._held.values()}
        known |= {Taken(key, claim.epoch) for key, claim in self._reassigned.items()}
        strays = set(await self._arbiter.owned(self._life.me)) - known
        for stray in strays & before:
            if self._held.get(stray.key) is None:
                await self._arbiter.release(self._life.me, stray, is_clean=False)
        return strays

    def _unsettled(self) -> Iterable[Holding]:
        return [holding for holding in self._held.values() if not holding.is_settled]
