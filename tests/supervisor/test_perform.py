"""Effects at the port: every one is performed, none for longer than it may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
import trio

from actors.clock import Clock
from actors.core import effects as e
from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.perform import perform
from tests.fakes import FakeTelegram, FakeVault, Stall
from tests.supervisor.service import KEY

EFFECTS: dict[e.Effect, tuple[str, float]] = {
    e.ExportToken(): ("export_token", 30),
    e.SendCode(Secret("+15550001111")): ("send_code", 30),
    e.SendCodeAgain(): ("send_code_again", 20),
    e.SignIn(Secret("12345")): ("sign_in", 20),
    e.CheckPassword(Secret("secret")): ("check_password", 20),
    e.ImportBot(Secret("4242:made-up")): ("import_bot", 30),
    e.AbandonLogin(): ("abandon_login", 5),
    e.Connect(): ("connect", 30),
    e.Disconnect(): ("disconnect", 5),
    e.LogOut(): ("log_out", 15),
    e.Forget(): ("forget", 5),
}
SILENT = (e.AbandonLogin, e.Disconnect, e.Forget)


@dataclass(slots=True)
class Far:
    """The far side of one session, and a line to it."""

    clock: Clock = field(default_factory=Clock)
    telegram: FakeTelegram = field(init=False)

    def __post_init__(self) -> None:
        self.telegram = FakeTelegram(self.clock, FakeVault())

    async def perform(self, effect: e.Effect) -> m.Signal | None:
        async with self.telegram(KEY, lambda _: None) as line:
            return await perform(effect, line, self.clock)


def test_every_effect_is_listed() -> None:
    assert {type(effect) for effect in EFFECTS} == set(get_args(e.Effect))


@pytest.mark.parametrize("effect", EFFECTS, ids=repr)
async def test_an_effect_is_one_call_and_its_answer_a_signal(effect: e.Effect) -> None:
    far = Far()
    answer = m.Unreachable(1.0, Reason.UNKNOWN_ERROR)
    far.telegram[KEY].answer(answer)

    signal = await far.perform(effect)

    assert far.telegram[KEY].calls == [EFFECTS[effect][0]]
    assert signal == (None if isinstance(effect, SILENT) else answer)


@pytest.mark.parametrize("effect", EFFECTS, ids=repr)
async def test_an_effect_that_gets_no_answer_is_given_up(effect: e.Effect) -> None:
    far = Far()
    far.telegram[KEY].answer(Stall())
    began = trio.current_time()

    signal = await far.perform(effect)

    assert trio.current_time() - began == EFFECTS[effect][1]
    assert signal == (None if isinstance(effect, SILENT) else m.Unreachable(far.clock.now()))


@pytest.mark.parametrize("effect", EFFECTS, ids=repr)
async def test_an_unknown_failure_is_not_swallowed(effect: e.Effect) -> None:
    far = Far()
    far.telegram[KEY].answer(LookupError())

    with pytest.raises(LookupError):
        await far.perform(effect)


async def test_a_cancellation_is_no_answer() -> None:
    far = Far()
    far.telegram[KEY].answer(Stall())
    answers: list[Any] = []

    with trio.move_on_after(1) as scope:
        answers.append(await far.perform(e.Connect()))

    assert scope.cancelled_caught
    assert answers == []
