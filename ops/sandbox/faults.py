"""Scripted misfortune: a list of rules, each saying whom it strikes, when, and what happens then."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ops.sandbox.accounts import digits
from ops.sandbox.errors import RpcError, usual_code


@dataclass(frozen=True, slots=True)
class RpcFailure:
    """The method answers with this error instead of its result."""

    code: int
    name: str

    def error(self) -> RpcError:
        """The error to answer with."""
        return RpcError(self.code, self.name)


# More kinds (a connection that stalls, drops or resets) join here as a union.
Fault = RpcFailure


@dataclass(slots=True)
class Rule:
    """`fault` happens to requests whose method fits `method` (shell pattern) from `phone` (None: anybody's).

    `count` is how many times it will happen still; None means until the rule is cleared.
    """

    id: int
    method: str
    fault: Fault
    phone: str | None = None
    count: int | None = None

    def fits(self, method: str, phone: str | None) -> bool:
        """Whether this rule strikes a request."""
        return self.phone in (None, phone) and fnmatchcase(method, self.method)


class Faults:
    """The rules in force, oldest first; the first that fits strikes."""

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
        count: int | None = None,
    ) -> Rule:
        """Let methods answer with an RPC error, such as `fail("auth.*", "FLOOD_WAIT_7", count=1)`.

        Without a code, the one that Telegram sends with this name. ValueError for a count below one.
        """
        if count is not None and count < 1:
            raise ValueError("a fault happens once at least: give a count of 1 or more, or none")
        fault = RpcFailure(code if code is not None else usual_code(error), error)
        rule = Rule(next(self._ids), method, fault, digits(phone) if phone else None, count)
        self._rules.append(rule)
        return rule

    def clear(self, rule_id: int | None = None) -> None:
        """Drop one rule, or all of them."""
        self._rules = [rule for rule in self._rules if rule_id not in (None, rule.id)]

    def strike(self, method: str, phone: str | None) -> Fault | None:
        """What happens to this request, if anything; uses up one count of the rule that says so."""
        rule = next((rule for rule in self._rules if rule.fits(method, phone)), None)
        if rule is None:
            return None
        if rule.count is not None:
            rule.count -= 1
            if rule.count == 0:
                self.clear(rule.id)
        return rule.fault
