"""What every Store does: the fake, and PostgreSQL on both engines of the bridge."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from actors.core.names import SessionKey
from actors.core.record import from_record, to_record
from actors.core.secret import Secret
from actors.core.states import (
    Absent,
    Authorized,
    Login,
    PastLogin,
    PendingCode,
    PendingPassword,
    PendingQr,
    Reason,
    Revoked,
    SessionState,
    Stale,
    State,
    Substate,
)
from actors.errors import StoreUnavailable, VersionConflict
from actors.ports import Saved, Store, Transition
from tests.contracts.benches import StoreBench

KEY = SessionKey("tenant-a", "app-1")
MOMENT = 1_795_000_000.25
LOGIN = Login("login-1", MOMENT + 600)
STARTED = Transition("StartQr", SessionState.ABSENT, SessionState.PENDING_QR, None)
SIGNED_IN = Transition("SignedIn", SessionState.PENDING_QR, SessionState.AUTHORIZED, None)
REVOKED = Transition("CredentialLost", SessionState.AUTHORIZED, SessionState.REVOKED, Reason.SESSION_REVOKED)

STATES: list[State] = [
    Absent(),
    Absent(PastLogin("login-0", Reason.TICKET_EXPIRED)),
    PendingQr(LOGIN),
    PendingQr(Login("login-2", MOMENT, Stale(7, Reason.UNREACHABLE, MOMENT), 7)),
    PendingCode(LOGIN, Secret(""), "sms"),
    PendingPassword(LOGIN, "a \"quoted\" 'hint' \\ \N{DOG}", attempts_left=3),
    Authorized(2**53 + 1),
    Authorized(7, Substate.FLOOD_WAIT, MOMENT + 0.125, last_login=PastLogin("login-1")),
    Stale(7, Reason.CREDENTIAL_MISSING),
    Authorized(7, Substate.ASLEEP, validate_at=MOMENT),
    Authorized(7, Substate.STOPPED),
    Stale(7, Reason.UNREACHABLE, stopped=True),
    PendingQr(Login("login-2", MOMENT, Stale(7, Reason.UNREACHABLE, stopped=True))),
    Revoked(7, Reason.REQUESTED),
]


every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)


def version(number: int, state: State = STATES[0], since: float = MOMENT) -> Saved:
    return Saved(to_record(state), number, since)


# -- load and save


async def test_nothing_was_ever_saved_so_nothing_is_loaded(store: Store) -> None:
    assert await store.load(KEY) is None


@every_engine
async def test_what_was_saved_is_loaded(store: Store) -> None:
    for number, state in enumerate(STATES, start=1):
        await store.save(KEY, version(number, state, MOMENT + number), None)

        saved = await store.load(KEY)
        assert saved == version(number, state, MOMENT + number)
        assert from_record(saved.record) == state


async def test_a_moment_is_kept_to_the_microsecond(store: Store) -> None:
    moment = 1_795_000_000.123_456_7

    await store.save(KEY, version(1, since=moment), None)
    saved = await store.load(KEY)

    assert saved is not None
    assert saved.since == pytest.approx(moment, abs=1e-6, rel=0)


async def test_a_save_over_another_version_is_refused_and_changes_nothing(
    store: Store, bench: StoreBench
) -> None:
    await store.save(KEY, version(1, PendingQr(LOGIN)), STARTED)
    await store.save(KEY, version(2, Authorized(7)), SIGNED_IN)

    for number in (1, 2, 4, 40):
        with pytest.raises(VersionConflict, match=str(KEY)):
            await store.save(KEY, version(number, Revoked(7, Reason.SESSION_REVOKED)), REVOKED)

    assert await store.load(KEY) == version(2, Authorized(7))
    assert await bench.journal(KEY) == [(1, STARTED), (2, SIGNED_IN)]


async def test_a_first_save_must_be_version_one(store: Store, bench: StoreBench) -> None:
    with pytest.raises(VersionConflict):
        await store.save(KEY, version(2), STARTED)

    assert await store.load(KEY) is None
    assert await bench.journal(KEY) == []


async def test_the_same_save_twice_is_harmless(store: Store, bench: StoreBench) -> None:
    for saved, line in [(version(1, PendingQr(LOGIN)), STARTED), (version(2, Authorized(7)), SIGNED_IN)]:
        await store.save(KEY, saved, line)
        await store.save(KEY, saved, line)

    assert await store.load(KEY) == version(2, Authorized(7))
    assert await bench.journal(KEY) == [(1, STARTED), (2, SIGNED_IN)]


async def test_another_save_of_the_same_version_is_refused(store: Store) -> None:
    await store.save(KEY, version(1, PendingQr(LOGIN)), STARTED)

    for other in (
        version(1, PendingQr(LOGIN), MOMENT + 1),
        version(1, PendingQr(replace(LOGIN, login_id="login-2"))),
        version(1, PendingCode(LOGIN, Secret(""))),
        version(1, Stale(7, Reason.UNREACHABLE)),
    ):
        with pytest.raises(VersionConflict):
            await store.save(KEY, other, STARTED)

    assert await store.load(KEY) == version(1, PendingQr(LOGIN))


@every_engine
async def test_of_two_that_write_at_once_one_wins(store: Store, bench: StoreBench) -> None:
    conflicts: list[int] = []

    async def save(account_id: int) -> None:
        try:
            await store.save(KEY, version(2, Authorized(account_id)), SIGNED_IN)
        except VersionConflict:
            conflicts.append(account_id)

    await store.save(KEY, version(1, PendingQr(LOGIN)), STARTED)
    async with trio.open_nursery() as nursery:
        for account_id in range(1, 6):
            nursery.start_soon(save, account_id)

    saved = await store.load(KEY)
    assert saved is not None
    assert sorted([*conflicts, saved.record.account_id or 0]) == [1, 2, 3, 4, 5]
    assert await bench.journal(KEY) == [(1, STARTED), (2, SIGNED_IN)]


async def test_the_journal_has_one_line_for_each_transition_in_order(store: Store, bench: StoreBench) -> None:
    await store.save(KEY, version(1, PendingQr(LOGIN)), STARTED)
    await store.save(KEY, version(2, PendingQr(LOGIN), MOMENT + 1), None)
    await store.save(KEY, version(3, Authorized(7)), SIGNED_IN)
    await store.save(KEY, version(4, Revoked(7, Reason.SESSION_REVOKED)), REVOKED)

    assert await bench.journal(KEY) == [(1, STARTED), (3, SIGNED_IN), (4, REVOKED)]


async def test_sessions_of_other_keys_are_never_touched(store: Store, bench: StoreBench) -> None:
    others = [
        SessionKey("tenant-a", "app-2"),
        SessionKey("tenant-b", "app-1"),
        SessionKey("app-1", "tenant-a"),
    ]
    for account_id, other in enumerate(others, start=1):
        await store.save(other, version(1, Authorized(account_id)), None)

    assert await store.load(KEY) is None
    await store.save(KEY, version(1, PendingQr(LOGIN)), STARTED)
    await store.save(KEY, version(2, Authorized(99)), SIGNED_IN)

    for account_id, other in enumerate(others, start=1):
        assert await store.load(other) == version(1, Authorized(account_id))
        assert await bench.journal(other) == []


# -- running

RUN: dict[str, State] = {
    "qr": PendingQr(LOGIN),
    "code": PendingCode(LOGIN, Secret("")),
    "password": PendingPassword(LOGIN),
    "authorized": Authorized(1),
    "flood-wait": Authorized(2, Substate.FLOOD_WAIT, MOMENT),
    "stale-retried": Stale(3, Reason.UNREACHABLE, MOMENT),
    "stale-mismatch-retried": Stale(4, Reason.ACCOUNT_MISMATCH, MOMENT),
    # saved while the retry was under way
    "stale-being-tried": Stale(5, Reason.UNREACHABLE),
}
REST: dict[str, State] = {
    "absent": Absent(),
    "login-failed": Absent(PastLogin("login-0", Reason.CANCELLED)),
    "stale-missing": Stale(3, Reason.CREDENTIAL_MISSING),
    "stale-mismatch": Stale(4, Reason.ACCOUNT_MISMATCH),
    "asleep": Authorized(8, Substate.ASLEEP, validate_at=MOMENT),
    "stopped": Authorized(9, Substate.STOPPED),
    "stale-stopped": Stale(9, Reason.UNREACHABLE, stopped=True),
    "revoked": Revoked(6, Reason.SESSION_REVOKED),
}


async def test_those_with_something_to_do_are_running(store: Store) -> None:
    for app_id, state in (RUN | REST).items():
        for tenant_id in ("tenant-a", "tenant-b"):
            await store.save(SessionKey(tenant_id, app_id), version(1, state), None)

    running = await store.running()

    assert sorted(running) == sorted(
        SessionKey(tenant, app) for tenant in ("tenant-a", "tenant-b") for app in RUN
    )


async def test_sleeping_sessions_are_due_when_their_time_has_come_the_earliest_first(store: Store) -> None:
    for app_id, wake_at in (("late", MOMENT + 20), ("early", MOMENT), ("later", MOMENT + 21)):
        asleep = Authorized(7, Substate.ASLEEP, validate_at=wake_at)
        await store.save(SessionKey("tenant-a", app_id), version(1, asleep), None)
    await store.save(SessionKey("tenant-a", "awake"), version(1, Authorized(7)), None)
    await store.save(SessionKey("tenant-a", "stopped"), version(1, Authorized(7, Substate.STOPPED)), None)

    assert await store.due(MOMENT - 1) == []
    due = await store.due(MOMENT + 20)
    assert sorted(key.app_id for key in due) == ["early", "late"]


async def test_all_sessions_come_page_after_page_of_one_tenant_or_of_all(store: Store) -> None:
    keys = [SessionKey(tenant, f"app-{number}") for tenant in ("tenant-a", "tenant-b") for number in range(3)]
    for key in reversed(keys):
        await store.save(key, version(1, Authorized(7)), None)

    first = await store.page(None, None, 4)
    rest = await store.page(None, first[-1][0], 4)
    assert [key for key, _ in first + rest] == keys
    assert first[0][1] == version(1, Authorized(7))
    mine = await store.page("tenant-a", None, 4)
    assert [key for key, _ in mine] == keys[:3]
    assert await store.page("tenant-a", keys[2], 4) == []


# -- outages


@every_engine
async def test_an_outage_is_told_and_leaves_no_trace(store: Store, bench: StoreBench) -> None:
    await store.save(KEY, version(1, PendingQr(LOGIN)), STARTED)
    await bench.go_down()

    with pytest.raises(StoreUnavailable):
        await store.load(KEY)
    with pytest.raises(StoreUnavailable):
        await store.save(KEY, version(2, Authorized(7)), SIGNED_IN)
    with pytest.raises(StoreUnavailable):
        await store.running()
    await bench.come_back()

    assert await store.load(KEY) == version(1, PendingQr(LOGIN))
    await store.save(KEY, version(2, Authorized(7)), SIGNED_IN)
    assert await store.running() == [KEY]
    assert await bench.journal(KEY) == [(1, STARTED), (2, SIGNED_IN)]
