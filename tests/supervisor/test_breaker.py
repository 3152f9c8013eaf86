"""A breaker as a table: what happens at which moment, and what it does about it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from supervisor.breaker import Breaker, BreakerPolicy, Circuit, CircuitOpen

CLOSED, HALF_OPEN, OPEN = Circuit
POLICY = BreakerPolicy(limit=3, window=60.0, first_rest=30.0, longest_rest=120.0)


class Story:
    """Attempts at a breaker, each written as one line."""

    def __init__(self) -> None:
        self.changes: list[Circuit] = []
        self.breaker = Breaker(POLICY, self.changes.append)

    def attempt(self, by: str, ends: str) -> str:
        """How an attempt goes that ends so: it is let through and judged, or `shut`."""
        try:
            with self.breaker.attempt(by) as attempt:
                match ends:
                    case "ok":
                        attempt.succeeded()
                    case "fails":
                        attempt.failed()
                    case "refused":
                        attempt.refused()
        except CircuitOpen:
            return "shut"
        return "through"


@pytest.mark.parametrize(
    ("lines", "circuit"),
    [
        (["0 a fails", "0 b fails"], CLOSED),
        (["0 a fails", "0 b fails", "0 c fails"], OPEN),
        # one sick session is no outage
        (["0 a fails", "1 a fails", "2 a fails", "3 a fails"], CLOSED),
        # failures that lie apart, or with a success between them, are no outage either
        (["0 a fails", "0 b fails", "60 c fails"], CLOSED),
        (["0 a fails", "0 b fails", "59 c fails"], OPEN),
        (["0 a fails", "0 b fails", "1 c ok", "2 d fails"], CLOSED),
        # what concerns everybody opens at once
        (["0 a refused"], OPEN),
        # nothing is let through before the rest is over, and then one probe decides
        (["0 a refused", "29 b shut"], OPEN),
        (["0 a refused", "30 b ok"], CLOSED),
        (["0 a refused", "30 b ok", "30 c fails", "30 d fails"], CLOSED),
        (["0 a refused", "30 b fails"], OPEN),
        (["0 a refused", "30 b refused", "89 c shut"], OPEN),
        # the rest doubles up to the longest, and starts anew after a success
        (["0 a refused", "30 b fails", "90 c fails", "209 d shut", "210 d ok"], CLOSED),
        (["0 a refused", "30 b fails", "90 c fails", "210 d fails", "329 e shut", "330 e ok"], CLOSED),
        (["0 a refused", "30 b fails", "90 c ok", "90 d refused", "119 e shut", "120 e ok"], CLOSED),
        # what ends without a verdict changes nothing: the probe is given back, the rest stays as it was
        (["0 a fails", "0 b fails", "0 c -", "0 d -"], CLOSED),
        (["0 a refused", "30 b -"], OPEN),
        (["0 a refused", "30 b -", "30 c ok"], CLOSED),
        (["0 a refused", "30 b -", "30 c fails", "89 d shut", "90 d ok"], CLOSED),
    ],
    ids=str,
)
async def test_the_story_of_a_breaker(lines: list[str], circuit: Circuit) -> None:
    story, began = Story(), trio.current_time()
    for line in lines:
        moment, by, ends = line.split()
        await trio.sleep_until(began + float(moment))
        if ends == "shut":
            assert story.attempt(by, "ok") == "shut"
        else:
            assert story.attempt(by, ends) == "through"

    assert story.breaker.circuit is circuit


async def test_a_thousand_at_once_send_exactly_one_probe() -> None:
    story, outcomes = Story(), list[str]()
    story.attempt("a", "refused")
    await trio.sleep(30)

    async def try_it(number: int) -> None:
        try:
            with story.breaker.attempt(number) as attempt:
                await trio.sleep(5)
                attempt.succeeded()
                outcomes.append("through")
        except CircuitOpen:
            outcomes.append("shut")

    async with trio.open_nursery() as crowd:
        for number in range(1000):
            crowd.start_soon(try_it, number)

    assert (outcomes.count("through"), outcomes.count("shut")) == (1, 999)
    assert story.changes == [OPEN, HALF_OPEN, CLOSED]


async def test_a_cancelled_probe_is_given_back_and_cancelled_attempts_open_nothing() -> None:
    story = Story()

    async def cancelled(by: str) -> None:
        with trio.move_on_after(1), story.breaker.attempt(by):
            await trio.sleep_forever()

    for by in "abcdef":
        await cancelled(by)
    assert story.breaker.circuit is CLOSED

    story.attempt("a", "refused")
    await trio.sleep(30)
    await cancelled("b")
    assert story.breaker.circuit is OPEN
    assert story.attempt("c", "ok") == "through"
    assert story.changes == [OPEN, HALF_OPEN, OPEN, HALF_OPEN, CLOSED]


@pytest.mark.parametrize("late", [lambda a: a.succeeded(), lambda a: a.failed(), lambda a: a.refused()])
async def test_what_began_before_the_circuit_opened_has_no_say_any_more(late: Callable[..., None]) -> None:
    story = Story()
    with story.breaker.attempt("early") as early:
        story.attempt("a", "refused")
        late(early)
        assert (story.breaker.circuit, story.breaker.retry_after) == (OPEN, 30)
        await trio.sleep(30)
        with story.breaker.attempt("probe") as probe:
            late(early)
            assert story.breaker.circuit is HALF_OPEN
            probe.succeeded()
    assert story.breaker.circuit is CLOSED


async def test_an_error_in_the_block_passes_and_is_no_verdict() -> None:
    story = Story()
    with pytest.raises(KeyError), story.breaker.attempt("a"):
        raise KeyError
    assert story.changes == []
