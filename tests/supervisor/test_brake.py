"""The node's brake: many crashes at once are one trouble, and cost no session its budget."""

from __future__ import annotations

import pytest
import trio

from actors.core.names import SessionKey
from actors.errors import Parked
from actors.mailbox import Mailbox
from supervisor.brake import Brake
from supervisor.events import Event, LifeCrashed, LifeHeld, NodeBraked, NodeReleased
from supervisor.keep_alive import Health, Phase, keep_alive, parked
from supervisor.policy import RestartPolicy


def key(number: int) -> SessionKey:
    return SessionKey("tenant", f"app-{number}")


class Boom(Exception):
    pass


class Node:
    """Sessions that all crash while `is_sick`, and live on when it is not."""

    def __init__(self, running: int) -> None:
        self.is_sick = True
        self.told: list[Event] = []
        self.brake = Brake(lambda: running, self.told.append)
        self.health = [Health() for _ in range(running)]
        self.mailboxes = [Mailbox() for _ in range(running)]
        self.starts: list[list[float]] = [[] for _ in range(running)]
        self.began = trio.current_time()

    async def run(self, number: int) -> None:
        async def live() -> None:
            self.starts[number].append(trio.current_time() - self.began)
            if self.is_sick:
                raise Boom
            await trio.sleep_forever()

        await keep_alive(
            key(number),
            live,
            self.mailboxes[number],
            self.health[number],
            policy=RestartPolicy(),
            brake=self.brake,
            tell=self.told.append,
        )

    def kinds(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.told)


@pytest.mark.parametrize(
    ("running", "crashed", "is_on"),
    [
        (4, 4, False),
        (5, 5, True),
        (20, 4, False),
        (20, 5, True),
        (25, 5, False),
        (25, 6, True),
        (500, 100, False),
    ],
)
async def test_when_the_brake_is_on(running: int, crashed: int, is_on: bool) -> None:
    brake = Brake(lambda: running, lambda _: None)
    for number in range(crashed):
        brake.note_crash(key(number))
    assert brake.is_on is is_on


async def test_crashes_that_lie_apart_or_are_one_session_s_are_not_the_node_s() -> None:
    told: list[Event] = []
    brake = Brake(lambda: 10, told.append)
    for number in range(20):
        brake.note_crash(key(number))
        brake.note_crash(key(number))
        await trio.sleep(15)
    assert told == []


async def test_a_common_cause_costs_no_session_its_budget() -> None:
    async with trio.open_nursery() as nursery:
        node = Node(running=100)
        for number in range(100):
            nursery.start_soon(node.run, number)
        await trio.sleep(1)
        assert node.kinds(NodeBraked) == 1
        assert (node.kinds(LifeCrashed), node.kinds(LifeHeld)) == (20, 80)

        for _ in range(240):
            await trio.sleep(5)
            assert Phase.PARKED not in {health.phase for health in node.health}
        assert node.kinds(NodeBraked) > 5

        node.is_sick = False
        await trio.sleep(300)
        assert {health.phase for health in node.health} == {Phase.RUNNING}
        assert not node.brake.is_on
        assert isinstance(
            [e for e in node.told if isinstance(e, NodeBraked | NodeReleased)][-1], NodeReleased
        )
        nursery.cancel_scope.cancel()


async def test_the_brake_ends_after_a_calm_minute_and_not_before() -> None:
    async with trio.open_nursery() as nursery:
        node = Node(running=5)
        for number in range(5):
            nursery.start_soon(node.run, number)
        await trio.sleep(1)
        node.is_sick = False
        await trio.sleep(30)
        node.brake.note_crash(key(0))  # somebody else fails meanwhile: the minute begins anew
        await trio.sleep(59)
        assert node.kinds(NodeReleased) == 0
        await trio.sleep(1.5)
        assert node.kinds(NodeReleased) == 1
        nursery.cancel_scope.cancel()


async def test_those_who_fell_together_do_not_come_back_together() -> None:
    async with trio.open_nursery() as nursery:
        node = Node(running=100)
        for number in range(100):
            nursery.start_soon(node.run, number)
        await trio.sleep(1)
        node.is_sick = False
        await trio.sleep(300)
        nursery.cancel_scope.cancel()

    back = sorted(starts[-1] for starts in node.starts if starts[-1] > 60)
    assert len(back) == 80
    assert back[-1] - back[0] > 30
    assert all(sum(at <= other < at + 1 for other in back) < 15 for at in back)


async def test_asks_to_a_held_session_are_refused_with_a_time_to_come_back() -> None:
    async with trio.open_nursery() as nursery:
        node = Node(running=5)
        for number in range(5):
            nursery.start_soon(node.run, number)
        await trio.sleep(10)

        held = [health for health in node.health if health.phase is Phase.HELD]
        assert held
        refusal = parked(held[0])
        assert isinstance(refusal, Parked)
        assert refusal.retry_after is not None
        assert 0 < refusal.retry_after <= 60
        assert "many sessions failed at once" in str(refusal)
        nursery.cancel_scope.cancel()
