"""Logouts that are owed reach Telegram in the end, and no key is told twice at once."""

from __future__ import annotations

import pytest
import trio

from actors.clock import Clock
from actors.core import messages as m
from actors.core.credential import Credential, Deposit, Owe
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.events import CredentialUnopened
from supervisor.events import Event, Farewell, FarewellOutcome
from supervisor.farewells import LONGEST_PAUSE, LOOK_EVERY, Courier, pause
from tests.fakes import FakeVault
from tests.supervisor.service import KEY

BOOM = LookupError("boom")


def credential(number: int = 1) -> Credential:
    return Credential(4242, 2, "127.0.0.1", 443, Secret(f"{number:0512x}"))


class Post:
    """A vault, and a Telegram that answers as scripted; LoggedOut when the script is over."""

    def __init__(self) -> None:
        self.vault = FakeVault()
        self.answers: list[m.Signal | Exception] = []
        self.said: list[tuple[SessionKey, Credential]] = []
        self.told: list[Event] = []
        self.clock = Clock()
        self.courier = Courier(self.vault, self._log_out, self.clock, self.told.append)

    def owe(self, number: int = 1) -> Credential:
        """A session gives up its credential."""
        self.vault.keep(KEY, Deposit(credential(number)))
        self.vault.keep(KEY, Owe())
        return credential(number)

    def outcomes(self) -> list[FarewellOutcome]:
        return [event.outcome for event in self.told if isinstance(event, Farewell)]

    async def _log_out(self, key: SessionKey, of: Credential) -> m.Signal:
        await trio.lowlevel.checkpoint()
        self.said.append((key, of))
        answer = self.answers.pop(0) if self.answers else m.LoggedOut()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("answer", [m.LoggedOut(), m.CredentialLost(Reason.SESSION_REVOKED)], ids=repr)
async def test_a_key_that_telegram_knows_no_longer_is_settled(
    answer: m.Signal, nursery: trio.Nursery
) -> None:
    post = Post()
    owed = post.owe()
    post.answers = [answer]
    nursery.start_soon(post.courier.keep_delivering)

    await trio.sleep(60 + LOOK_EVERY + 1)

    assert post.said == [(KEY, owed)]
    assert post.vault.status(KEY, owed) == "settled"


async def test_nothing_is_said_while_the_session_s_own_connection_may_still_be_open(
    nursery: trio.Nursery,
) -> None:
    post = Post()
    post.owe()
    nursery.start_soon(post.courier.keep_delivering)

    await trio.sleep(59)

    assert post.said == []


async def test_a_flood_wait_is_waited_out(nursery: trio.Nursery) -> None:
    post = Post()
    post.owe()
    await trio.sleep(60)
    post.answers = [m.FloodWaited(post.clock.now() + 500)]
    nursery.start_soon(post.courier.keep_delivering)

    await trio.sleep(499)
    assert len(post.said) == 1
    await trio.sleep(1 + LOOK_EVERY)
    assert post.outcomes() == [FarewellOutcome.PUT_OFF, FarewellOutcome.LOGGED_OUT]


async def test_a_telegram_that_is_away_is_asked_less_and_less_often(nursery: trio.Nursery) -> None:
    post = Post()
    owed = post.owe()
    post.answers = [m.Unreachable(0.0)] * 8
    nursery.start_soon(post.courier.keep_delivering)

    await trio.sleep(3600)
    assert 4 <= len(post.said) <= 6
    await trio.sleep(4 * LONGEST_PAUSE)
    assert post.vault.status(KEY, owed) == "settled"


def test_pauses_double_from_a_minute_to_half_an_hour() -> None:
    assert [pause(attempts) for attempts in (0, 1, 2, 3, 4, 5, 100)] == [60, 120, 240, 480, 960, 1800, 1800]


async def test_one_failure_that_nobody_knows_ends_neither_the_courier_nor_the_other_farewells(
    nursery: trio.Nursery,
) -> None:
    post = Post()
    first, second = post.owe(1), post.owe(2)
    post.answers = [BOOM]
    nursery.start_soon(post.courier.keep_delivering)

    await trio.sleep(60 + LOOK_EVERY)
    assert sorted(post.outcomes()) == [FarewellOutcome.FAILED, FarewellOutcome.LOGGED_OUT]
    await trio.sleep(120 + LOOK_EVERY)

    assert {post.vault.status(KEY, first), post.vault.status(KEY, second)} == {"settled"}


async def test_an_outage_of_the_database_only_delays(nursery: trio.Nursery) -> None:
    post = Post()
    owed = post.owe()
    post.vault.down = True
    nursery.start_soon(post.courier.keep_delivering)
    await trio.sleep(600)
    assert post.said == []

    post.vault.down = False
    await trio.sleep(LOOK_EVERY)

    assert post.vault.status(KEY, owed) == "settled"


async def test_a_key_that_cannot_be_opened_is_told_and_kept(nursery: trio.Nursery) -> None:
    post = Post()
    owed = post.owe()
    post.vault.sealed.add((owed.dc_id, owed.auth_key.reveal()))
    nursery.start_soon(post.courier.keep_delivering)

    await trio.sleep(60 + LOOK_EVERY)

    assert [type(event) for event in post.told] == [CredentialUnopened]
    assert post.vault.status(KEY, owed) == "owed"
