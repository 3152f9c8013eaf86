"""Scripted misfortune: a list of rules, each saying whom it strikes, when, and what happens then."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeAlias

from ops.sandbox.accounts import digits
from ops.sandbox.errors import RpcError, usual_code

# What a frozen account may still call here: what its clients need to stay connected and to read.
# The choice is the sandbox's own; Telegram's list may differ.
FROZEN_MAY_CALL = ("help.*", "updates.getState", "updates.getDifference", "users.getUsers")


@dataclass(frozen=True, slots=True)
class RpcFailure:
    """The method answers with this error instead of its result."""

    code: int
    name: str

    def error(self) -> RpcError:
        """The error to answer with."""
        return RpcError(self.code, self.name)


@dataclass(frozen=True, slots=True)
class Nonsense:
    """The method answers with an empty list, whatever its result is by the schema: what no client reckons with."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection ends instead of an answer: closed in order, or torn down `by_reset` (a TCP RST)."""

    by_reset: bool = False


@dataclass(frozen=True, slots=True)
class Stall:
    """The connection stays open, and what would be sent waits until the rule is cleared."""


@dataclass(frozen=True, slots=True)
class Slow:
    """What is sent comes this many seconds late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A new connection is closed at once."""


Fault: TypeAlias = RpcFailure | Nonsense | HangUp | Stall | Slow | Refusal

#: Where each kind strikes: a request that came, a packet that goes out, a connection that is new.
AT_REQUEST = (RpcFailure, Nonsense, HangUp)
AT_SENDING = (Stall, Slow)
AT_OPENING = (Refusal,)


@dataclass(frozen=True, slots=True)
class Occasion:
    """A moment when something can go wrong: where, about which account, in which methods, by whose app.

    An account or an app of None is unknown.
    """

    dc_id: int
    phone: str | None = None
    methods: tuple[str, ...] = ()
    api_id: int | None = None


@dataclass(slots=True)
class Rule:
    """`fault` happens to what fits.

    `method` is a shell pattern, None for whatever is sent or opened; `spares` are patterns that it passes over.
    `phone`, `dc_id` and `api_id` narrow it down. `count` is how many times it will happen still; None means until
    the rule is cleared. `held` is what has to be done then.
    """

    id: int
    fault: Fault
    method: str | None = None
    phone: str | None = None
    dc_id: int | None = None
    count: int | None = None
    spares: tuple[str, ...] = ()
    api_id: int | None = None
    held: list[Callable[[], None]] = field(default_factory=list, repr=False)

    def fits(self, occasion: Occasion) -> bool:
        """Whether this rule strikes here."""
        if self.phone not in (None, occasion.phone) or self.dc_id not in (None, occasion.dc_id):
            return False
        if self.api_id not in (None, occasion.api_id):
            return False
        return self.method is None or any(self._fits_method(method) for method in occasion.methods)

    def _fits_method(self, method: str) -> bool:
        is_spared = any(fnmatchcase(method, pattern) for pattern in self.spares)
        return not is_spared and fnmatchcase(method, self.method or "*")


class Faults:
    """The rules in force, oldest first; the first that fits strikes.

    Every method that adds a rule raises ValueError for one that could never strike.
    """

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._ids = itertools.count(1)

    def __iter__(self) -> Iterator[Rule]:
        return iter(list(self._rules))

    def __len__(self) -> int:
        return len(self._rules)

    def fail(
        self,
        method: str,
        error: str,
        *,
        code: int | None = None,
        phone: str | None = None,
        dc_id: int | None = None,
        count: int | None = None,
        api_id: int | None = None,
        spares: Iterable[str] = (),
    ) -> Rule:
        """Let methods answer with an RPC error, such as `fail("auth.*", "FLOOD_WAIT_7", count=1)`.

        Without a code, the one that Telegram sends with this name.
        """
        fault = RpcFailure(code if code is not None else usual_code(error), error)
        return self.add(
            fault, method=method, phone=phone, dc_id=dc_id, count=count, api_id=api_id, spares=spares
        )

    def nonsense(self, method: str, *, phone: str | None = None, count: int | None = None) -> Rule:
        """Let methods answer with what no client can make sense of."""
        return self.add(Nonsense(), method=method, phone=phone, count=count)

    def drop(
        self, method: str, *, phone: str | None = None, dc_id: int | None = None, count: int | None = None
    ) -> Rule:
        """Close the connection whenever one of these methods is called."""
        return self.add(HangUp(), method=method, phone=phone, dc_id=dc_id, count=count)

    def reset(
        self, method: str, *, phone: str | None = None, dc_id: int | None = None, count: int | None = None
    ) -> Rule:
        """Reset the connection whenever one of these methods is called."""
        return self.add(HangUp(by_reset=True), method=method, phone=phone, dc_id=dc_id, count=count)

    def stall(self, *, method: str | None = None, phone: str | None = None, dc_id: int | None = None) -> Rule:
        """Send nothing (or no answer to these methods) until the rule is cleared; then all that waited is sent."""
        return self.add(Stall(), method=method, phone=phone, dc_id=dc_id)

    def slow(
        self,
        seconds: float,
        *,
        method: str | None = None,
        phone: str | None = None,
        dc_id: int | None = None,
        count: int | None = None,
    ) -> Rule:
        """Send everything (or the answers to these methods) this many seconds late."""
        return self.add(Slow(seconds), method=method, phone=phone, dc_id=dc_id, count=count)

    def refuse(self, *, phone: str | None = None, dc_id: int | None = None, count: int | None = None) -> Rule:
        """Close new connections at once; an account's as soon as its key speaks there."""
        return self.add(Refusal(), phone=phone, dc_id=dc_id, count=count)

    def freeze(self, phone: str) -> Rule:
        """Let every method of an account but a few that read fail with FROZEN_METHOD_INVALID."""
        return self.fail("*", "FROZEN_METHOD_INVALID", phone=phone, spares=FROZEN_MAY_CALL)

    def add(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        phone: str | None = None,
        dc_id: int | None = None,
        count: int | None = None,
        api_id: int | None = None,
        spares: Iterable[str] = (),
    ) -> Rule:
        """Put a rule in force; the methods above say it shorter."""
        _check(fault, method, count, api_id)
        number = digits(phone) if phone else None
        rule = Rule(next(self._ids), fault, method, number, dc_id, count, tuple(spares), api_id)
        self._rules.append(rule)
        return rule

    def clear(self, rule_id: int | None = None) -> None:
        """Drop one rule, or all of them, and let go what they held up."""
        gone = [rule for rule in self._rules if rule_id in (None, rule.id)]
        self._rules = [rule for rule in self._rules if rule not in gone]
        for rule in gone:
            for go_on in rule.held:
                go_on()

    def strike(self, occasion: Occasion, kinds: tuple[type, ...], *, after: int = 0) -> Rule | None:
        """The rule that strikes here, if any: of these kinds, younger than rule `after`; uses up one count of it."""
        for rule in self._rules:
            if rule.id > after and isinstance(rule.fault, kinds) and rule.fits(occasion):
                if rule.count is not None:
                    rule.count -= 1
                    if rule.count == 0:
                        self.clear(rule.id)
                return rule
        return None


def _check(fault: Fault, method: str | None, count: int | None, api_id: int | None) -> None:
    if count is not None and count < 1:
        raise ValueError("a fault happens once at least: give a count of 1 or more, or none")
    if isinstance(fault, Stall) and count is not None:
        raise ValueError("a stall lasts until it is cleared: give it no count")
    if isinstance(fault, Slow) and fault.seconds <= 0:
        raise ValueError("a delay takes time: give more than 0 seconds")
    if isinstance(fault, AT_REQUEST) and method is None:
        raise ValueError("say at which methods it happens, such as 'auth.*', or '*' for all")
    if api_id is not None and not isinstance(fault, AT_REQUEST):
        raise ValueError("only a request says which app it is: give an api_id to fail, drop or reset only")
    if isinstance(fault, Refusal) and method is not None:
        raise ValueError("a connection is refused before any method is called: give no method")
