"""Saving and the journal: before the answer, before the effects, and through an outage of the database."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import (
    Absent,
    Authorized,
    PendingQr,
    Reason,
    SessionState,
)
from actors.errors import NoAnswer, StoreUnavailable
from actors.events import Transitioned
from tests.fakes import FakeAccount
from tests.supervisor.service import KEY, OneSession, Service


async def test_nothing_is_answered_shown_or_done_before_it_is_saved(
    session: OneSession, nursery: trio.Nursery
) -> None:
    session.service.store.hold()
    answered = trio.Event()

    async def ask() -> None:
        await session.ask(session.service.start_qr())
        answered.set()

    nursery.start_soon(ask)
    await trio.sleep(30)
    assert not answered.is_set()
    assert session.state == Absent()
    assert session.far_side.calls == []

    session.service.store.release()
    await answered.wait()
    session.must_be(PendingQr)
    assert session.far_side.calls == ["export_token"]


async def test_a_new_credential_is_kept_together_with_the_state_that_it_leads_to(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    session.service.store.hold()
    await session.accept()

    assert session.far_side.credential is None
    session.must_be(PendingQr)
    assert "connect" not in session.far_side.calls

    session.service.store.release()
    await wait_all_tasks_blocked()
    session.must_be(Authorized)
    assert session.far_side.credential is not None


async def test_a_revoked_session_is_saved_as_revoked_before_telegram_is_told(session: OneSession) -> None:
    await session.log_in()
    session.service.store.hold()
    with pytest.raises(NoAnswer):
        await session.ask(m.Revoke(), within=5)
    assert "log_out" not in session.far_side.calls

    session.service.store.release()
    await wait_all_tasks_blocked()
    assert session.state.name is SessionState.REVOKED
    assert session.far_side.credential is None


async def test_every_save_is_one_version_after_the_one_before(session: OneSession) -> None:
    await session.log_in()
    session.far_side.push(m.CredentialLost(Reason.SESSION_REVOKED))
    await wait_all_tasks_blocked()

    versions = [version for _, version, _ in session.service.store.journal]
    assert versions == [1, 2, 3]
    assert session.service.store.rows[KEY].version == session.published.snapshot.version == 3


async def test_a_command_in_an_outage_is_refused_and_changes_nothing(session: OneSession) -> None:
    before = session.published.snapshot
    session.service.store.down = True

    with pytest.raises(StoreUnavailable):
        await session.ask(session.service.start_qr())

    assert session.published.snapshot == before
    assert session.service.store.rows == {}
    assert session.far_side.calls == []

    session.service.store.down = False
    assert isinstance(await session.ask(session.service.start_qr()), PendingQr)


async def test_a_signal_in_an_outage_waits_and_is_not_lost(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    session.service.store.down = True
    await session.accept()
    await trio.sleep(3600)
    session.must_be(PendingQr)

    session.service.store.down = False
    await trio.sleep(61)

    session.must_be(Authorized)
    assert session.service.transitions()[-1] == ("SignedIn", "AUTHORIZED")


async def test_a_database_that_is_down_is_tried_less_and_less_often(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    store = session.service.store
    store.down = True
    await session.accept()
    before = store.attempts

    # at once, and then after 2, 4, 8, 16, 32, 60, 60 … seconds
    for seconds, tries in (
        (1.9, 0),
        (2.1, 1),
        (6.1, 2),
        (14.1, 3),
        (30.1, 4),
        (62.1, 5),
        (122.1, 6),
        (182.1, 7),
    ):
        await trio.sleep_until(seconds)
        assert store.attempts - before == tries


async def test_a_session_that_cannot_be_loaded_is_tried_less_and_less_often(nursery: trio.Nursery) -> None:
    session = OneSession(Service(), nursery)
    store = session.service.store
    store.down = True
    life = await session.live()

    for seconds, tries in ((1.9, 1), (2.1, 2), (6.1, 3), (14.1, 4), (30.1, 5), (62.1, 6), (122.1, 7)):
        await trio.sleep_until(seconds)
        assert store.loads == tries
    await life.end()


async def test_those_who_ask_meanwhile_are_refused(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    session.service.store.down = True
    await session.accept()

    with pytest.raises(StoreUnavailable):
        await session.ask(m.CancelLogin("login-1"), within=120)


async def test_an_outage_delays_the_first_life_and_is_no_crash(nursery: trio.Nursery) -> None:
    session = OneSession(Service(), nursery)
    session.service.store.down = True
    life = await session.live()
    with pytest.raises(StoreUnavailable):
        await session.ask(session.service.start_qr(), within=120)
    await trio.sleep(3600)
    assert life.error is None

    session.service.store.down = False

    assert isinstance(await session.ask(session.service.start_qr(), within=61), PendingQr)
    await life.end()


async def test_what_needs_no_saving_works_through_an_outage(session: OneSession) -> None:
    await session.log_in()
    session.service.store.down = True
    session.far_side.drop_connection()
    await trio.sleep(1)

    state = await session.ask(m.Validate())

    assert isinstance(state, Authorized)
    assert state.substate == "online"


async def test_the_journal_is_the_way_the_session_went(session: OneSession) -> None:
    life = session.life
    await session.log_in()
    session.far_side.drop_connection()
    await trio.sleep(1)
    await life.end()
    await session.live()
    await session.ask(m.Validate())
    await session.ask(m.Revoke())
    await session.ask(session.service.start_qr("login-2"))
    await session.ask(m.CancelLogin("login-2"))

    assert session.service.transitions() == [
        ("StartQr", "PENDING_QR"),
        ("SignedIn", "AUTHORIZED"),
        ("Revoke", "REVOKED"),
        ("StartQr", "PENDING_QR"),
        ("CancelLogin", "REVOKED"),
    ]
    lines = [transition for _, _, transition in session.service.store.journal]
    assert lines[0].before == "ABSENT"
    assert all(earlier.after == later.before for earlier, later in pairwise(lines))


async def test_what_is_told_is_what_the_journal_says(session: OneSession) -> None:
    await session.log_in()
    session.far_side.push(m.CredentialLost(Reason.AUTH_KEY_DUPLICATED))
    await wait_all_tasks_blocked()

    told = [event for event in session.service.told if isinstance(event, Transitioned)]
    journal = [transition for _, _, transition in session.service.store.journal]
    assert [(event.message, event.before, event.after, event.reason) for event in told] == [
        (line.message, line.before, line.after, line.reason) for line in journal
    ]
    assert told[-1].reason is Reason.AUTH_KEY_DUPLICATED
    assert {event.key for event in told} == {KEY}


async def test_no_secret_gets_into_a_row_the_journal_or_an_event(nursery: trio.Nursery) -> None:
    marker = "leaked!"
    session = OneSession(Service(FakeAccount(code=marker, password=marker)), nursery)
    life = await session.live()
    start = m.StartCode("login-1", session.service.clock.now() + 600, Secret(marker))
    await session.ask(start)
    await session.ask(m.SubmitCode("login-1", Secret(marker)))
    await session.ask(m.SubmitPassword("login-1", Secret(marker)))
    await session.ask(m.Revoke())
    await session.ask(session.service.start_qr("login-2"))

    service = session.service
    token = session.must_be(PendingQr).token
    assert token is not None
    written = f"{service.store.rows}{service.store.journal}{service.told}{session.published.snapshot}"
    assert marker not in written
    assert token.url.reveal() not in written
    await life.end()
