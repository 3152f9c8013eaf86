"""What the simulation has found, each in its smallest form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.credential import Keeping
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import PendingCode, Revoked
from actors.errors import StoreUnavailable
from actors.ports import Saved, Transition
from tests.fakes import FakeStore
from tests.supervisor.service import KEY, OneSession, Service


class Unconfirming(FakeStore):
    """A database that commits the next write and is gone before it can say so."""

    def __init__(self) -> None:
        super().__init__()
        self.loses_confirmation = False

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        await super().save(key, saved, transition, keeping)
        if self.loses_confirmation:
            self.loses_confirmation = False
            raise StoreUnavailable("gone")


def run_with_a_session(test: Callable[[OneSession, Unconfirming], Awaitable[None]]) -> None:
    """Run the test in virtual time beside a session that is alive, which must not crash."""

    async def main() -> None:
        service = Service()
        store = Unconfirming()
        object.__setattr__(service.surroundings, "store", store)
        async with trio.open_nursery() as nursery:
            session = OneSession(service, nursery)
            life = await session.live()
            await test(session, store)
            assert life.error is None
            await life.end()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def refused_although_committed(session: OneSession, store: Unconfirming, command: m.Command) -> None:
    store.loses_confirmation = True
    try:
        await session.ask(command)
    except StoreUnavailable:
        await wait_all_tasks_blocked()
    else:
        raise AssertionError("the command should have been refused")


def test_a_command_whose_commit_was_not_confirmed_is_seen_as_the_row_says() -> None:
    async def revoke(session: OneSession, store: Unconfirming) -> None:
        await session.log_in()
        await refused_although_committed(session, store, m.Revoke(session.service.clock.now()))

        assert session.must_be(Revoked).retry_at is None
        assert session.far_side.credential is None
        assert session.published.snapshot.version == store.rows[KEY].version

    run_with_a_session(revoke)


def test_a_commit_that_was_not_confirmed_does_not_crash_the_session_later() -> None:
    async def start(session: OneSession, store: Unconfirming) -> None:
        await refused_although_committed(session, store, session.service.start_qr())
        await trio.sleep(1)

        await session.ask(m.StartCode("login-2", session.service.clock.now() + 600, Secret("+10000000000")))
        session.must_be(PendingCode)

    run_with_a_session(start)
