"""Webhooks and their outbox in PostgreSQL: fed from the journal exactly once, claimed by one node at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from actors.adapters.rekeying import Rekeying
from actors.adapters.webhooks import HOLDS_UP, LEASE, LINES_AT_ONCE, OF_ONE_TENANT, PostgresWebhooks
from actors.errors import CredentialSealed, StoreUnavailable
from actors.ports import EVERYTHING, Wanted
from actors.webhooks import Delivery, DeliveryStatus, Due, Resent, Sealed, Sent, Trouble, WebhookStatus
from tests.contracts.benches import PostgresBench, open_bench, open_engine
from tests.contracts.credentials import seals
from tests.stores import Database

URL = "https://hooks.example/x"
ADD = """insert into session_journal (tenant_id, app_id, version, message, from_state, to_state)
         select $1, $2, n, 'StartQr', 'ABSENT', 'PENDING_QR' from generate_series($3::int, $4::int) n"""


@pytest.fixture
async def postgres(database: Database) -> AsyncIterator[PostgresBench]:
    async with open_engine("fast"), open_bench(database) as bench:
        yield bench


@pytest.fixture
def hooks(postgres: PostgresBench) -> PostgresWebhooks:
    return PostgresWebhooks(postgres.store.database, seals("first"))


async def made(hooks: PostgresWebhooks, tenant: str = "acme") -> Sealed:
    webhook = await hooks.add(tenant, URL, 10)
    assert webhook is not None
    return webhook


async def happens(
    postgres: PostgresBench, first: int, last: int, app: str = "one", tenant: str = "acme"
) -> None:
    await postgres.sql(ADD, tenant, app, first, last)


async def past(postgres: PostgresBench, seconds: float) -> None:
    """Let so much time pass for the outbox."""
    await postgres.sql(
        """update usm.webhook_deliveries set not_before = not_before - make_interval(secs => $1),
             leased_until = leased_until - make_interval(secs => $1),
             settled_at = settled_at - make_interval(secs => $1)""",
        seconds,
    )
    await postgres.sql(
        "update usm.webhooks set failing_since = failing_since - make_interval(secs => $1)", seconds
    )


def seqs(claimed: list[Due]) -> list[int]:
    return [due.line.seq for due in claimed if due.line is not None]


async def test_a_webhook_is_kept_with_its_secret_sealed(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    sealed = await made(hooks)
    text = (await postgres.sql("select w::text as text from usm.webhooks w"))[0]["text"]

    assert await hooks.read("acme", sealed.webhook.webhook_id) == sealed.webhook
    assert await hooks.all("acme") == [sealed.webhook]
    assert await hooks.all("other") == []
    assert sealed.secret.reveal() not in text
    assert sealed.secret.reveal().encode() not in bytes(postgres.relay.sent)


async def test_of_many_at_once_a_tenant_gets_no_more_than_it_may_have(hooks: PostgresWebhooks) -> None:
    got: list[Sealed | None] = []

    async def add() -> None:
        got.append(await hooks.add("acme", URL, 3))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(add)

    assert sum(each is not None for each in got) == 3


async def test_it_is_told_what_happens_from_its_beginning_on_and_everything_once(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    await happens(postgres, 1, 2)
    await made(hooks)
    assert await hooks.feed() == 0
    await happens(postgres, 3, 4)
    await happens(postgres, 1, 1, tenant="other")

    assert [await hooks.feed(), await hooks.feed()] == [2, 0]
    rows = await postgres.sql("select message_id, seq from usm.webhook_deliveries order by seq")
    assert [tuple(row) for row in rows] == [("msg_acme_3", 3), ("msg_acme_4", 4)]


async def test_nodes_that_feed_while_others_write_put_in_every_line_once(
    hooks: PostgresWebhooks, postgres: PostgresBench, database: Database
) -> None:
    await made(hooks)
    await made(hooks)
    fed: list[int] = []

    async def write(app: str) -> None:
        for version in range(1, 21):
            await hooks._database.as_service(lambda c: c.execute(ADD, "acme", app, version, version))  # noqa: B023 - it is awaited here

    async def feed(node: PostgresWebhooks) -> None:
        for _ in range(40):
            fed.append(await node.feed())  # noqa: PERF401 - each is awaited

    async with open_bench(database) as other, trio.open_nursery() as nursery:
        node = PostgresWebhooks(other.store.database, seals("first"))
        for app in ("a", "b", "c"):
            nursery.start_soon(write, app)
        for each in (hooks, node, hooks):
            nursery.start_soon(feed, each)
    fed.append(await hooks.feed())

    rows = await postgres.sql(
        "select webhook_id, array_agg(seq order by seq) as seqs from usm.webhook_deliveries group by 1"
    )
    assert [list(row["seqs"]) for row in rows] == [list(range(1, 61))] * 2
    assert sum(fed) == 120


async def test_a_delivery_is_one_nodes_alone_until_its_lease_ends(
    hooks: PostgresWebhooks, postgres: PostgresBench, database: Database
) -> None:
    await made(hooks)
    for app in range(30):
        await happens(postgres, 1, 1, f"app{app}")
    await hooks.feed()
    got: list[str] = []

    async def claim(node: PostgresWebhooks) -> None:
        got.extend(due.message_id for due in await node.claim(10))

    async with open_bench(database) as other, trio.open_nursery() as nursery:
        node = PostgresWebhooks(other.store.database, seals("first"))
        for each in (hooks, node, hooks, node):
            nursery.start_soon(claim, each)

    assert len(got) == len(set(got)) > 0
    assert await hooks.claim(10) == []
    await past(postgres, LEASE + 1)
    assert len(await hooks.claim(10)) == OF_ONE_TENANT


async def test_nobody_waits_for_what_another_node_has_in_hand(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    await made(hooks)
    await happens(postgres, 1, 1)
    await hooks.feed()
    await happens(postgres, 2, 2)
    await postgres.sql("begin")
    await postgres.sql("select from usm.webhooks for update")
    await postgres.sql("select from usm.webhook_deliveries for update")
    with trio.fail_after(2):
        assert await hooks.feed() == 0
        assert await hooks.claim(10) == []
    await postgres.sql("rollback")
    assert await hooks.feed() == 1
    assert seqs(await hooks.claim(10)) == [1]


async def test_one_tenants_slow_server_takes_no_place_of_anothers(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    await made(hooks)
    await made(hooks, "other")
    for app in range(12):
        await happens(postgres, 1, 1, f"app{app}")
    await happens(postgres, 1, 1, tenant="other")
    await hooks.feed()
    claimed = await hooks.claim(10)

    assert sorted(due.tenant_id for due in claimed) == ["acme"] * OF_ONE_TENANT + ["other"]


async def test_a_sessions_events_come_in_order_until_one_has_failed_too_often(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    await made(hooks)
    await happens(postgres, 1, 3, "one")
    await happens(postgres, 1, 1, "two")
    await hooks.feed()
    first = await hooks.claim(10)
    assert seqs(first) == [1, 4]
    await hooks.delivered(first[0], 200)
    assert seqs(await hooks.claim(10)) == [2]
    claimed: list[list[int]] = []
    for _ in range(HOLDS_UP):
        await past(postgres, LEASE + 1)
        due = [each for each in await hooks.claim(10) if each.line is None or each.line.key.app_id == "one"]
        claimed.append(seqs(due))
        await hooks.failed(due[0], Sent(500, Trouble.REFUSED), 0.0)
    assert claimed == [[2]] * (HOLDS_UP - 1) + [[2, 3]]


async def test_who_comes_too_late_settles_nothing(hooks: PostgresWebhooks, postgres: PostgresBench) -> None:
    await made(hooks)
    await happens(postgres, 1, 1)
    await hooks.feed()
    (late,) = await hooks.claim(1)
    await past(postgres, LEASE + 1)
    (present,) = await hooks.claim(1)

    await hooks.delivered(late, 200)
    assert await hooks.failed(late, Sent(trouble=Trouble.UNREACHABLE), None) is False
    (delivery,) = await hooks.deliveries("acme", present.webhook_id, 5)
    assert (delivery.status, delivery.attempts, delivery.answer) == ("due", 2, None)
    await hooks.delivered(present, 204)
    (delivery,) = await hooks.deliveries("acme", present.webhook_id, 5)
    assert (delivery.status, delivery.answer) == ("delivered", 204)


async def test_a_webhook_is_given_up_with_a_delivery_if_nothing_has_arrived_for_long(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    name = ("acme", (await made(hooks)).webhook.webhook_id)
    for app in ("one", "two", "three"):
        await happens(postgres, 1, 1, app)
    await hooks.feed()
    one, two, three = await hooks.claim(10)
    refused = Sent(500, Trouble.REFUSED)

    assert await hooks.failed(one, refused, None) is False  # it fails since this moment
    await past(postgres, 90_000)
    await hooks.delivered(two, 200)
    assert await hooks.failed(three, refused, None) is False  # something has arrived since
    webhook = await hooks.read(*name)
    assert webhook is not None
    assert webhook.status is WebhookStatus.ENABLED
    await past(postgres, 90_000)
    await happens(postgres, 2, 2)
    await hooks.feed()
    (four,) = await hooks.claim(10)
    assert await hooks.failed(four, refused, None) is True
    await happens(postgres, 3, 3)
    assert await hooks.feed() == 0

    again = await hooks.change(*name, URL, WebhookStatus.ENABLED)
    assert again is not None
    assert again.failing_since is None
    assert await hooks.feed() == 1  # it goes on where it had stopped


async def test_who_answers_gone_is_told_no_more(hooks: PostgresWebhooks, postgres: PostgresBench) -> None:
    await made(hooks)
    await happens(postgres, 1, 2)
    await hooks.feed()
    (due,) = await hooks.claim(10)

    assert await hooks.failed(due, Sent(410, Trouble.GONE), 10.0) is True
    await past(postgres, 60)
    assert await hooks.claim(10) == []


async def test_a_rotated_secret_signs_beside_the_one_before_until_that_is_over(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    first = await made(hooks)
    second = await hooks.rotate("acme", first.webhook.webhook_id, 60.0)
    third = await hooks.rotate("acme", first.webhook.webhook_id, 60.0)
    assert second is not None
    assert third is not None
    await happens(postgres, 1, 1)
    await hooks.feed()

    assert [due.secrets for due in await hooks.claim(1)] == [(third.secret, second.secret)]
    await postgres.sql("update usm.webhooks set previous_until = now() - interval '1 second'")
    await past(postgres, LEASE + 1)
    assert [due.secrets for due in await hooks.claim(1)] == [(third.secret,)]


async def test_a_new_key_of_the_keyring_seals_what_the_old_one_had_sealed(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    sealed = await made(hooks)
    await hooks.rotate("acme", sealed.webhook.webhook_id, 60.0)
    rekeyed = seals("first", "second")
    done = await Rekeying(postgres.store.database, rekeyed, lambda _: None).rekey()

    assert (done.webhooks, done.refused) == (1, {})
    verified = await Rekeying(postgres.store.database, seals("second"), lambda _: None).verify()
    assert (verified.opened, verified.refused) == (1, {})
    with pytest.raises(CredentialSealed):
        await hooks.check("acme", sealed.webhook.webhook_id)
    refused = (await Rekeying(postgres.store.database, seals("first"), lambda _: None).verify()).refused
    assert list(refused) == [f"webhook {sealed.webhook.webhook_id} of acme"]


@pytest.mark.parametrize(
    "change",
    [
        "update usm.webhooks set tenant_id = 'other'",
        "update usm.webhooks set webhook_id = 'aaaaaaaaaaaa'",
        "update usm.webhooks set secret_number = 2",
    ],
)
async def test_a_secret_that_was_moved_signs_nothing(
    hooks: PostgresWebhooks, postgres: PostgresBench, change: str
) -> None:
    await made(hooks)
    await postgres.sql(change)
    (name,) = await hooks.every()
    await hooks.ping(*name)
    (due,) = await hooks.claim(1)

    assert due.secrets == ()
    assert "write it anew" in (due.sealed or "")


async def test_a_test_goes_out_like_everything_and_is_forgotten_after_some_days(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    webhook_id = (await made(hooks)).webhook.webhook_id
    assert await hooks.ping("other", webhook_id) is None
    message_id = await hooks.ping("acme", webhook_id)
    (due,) = await hooks.claim(1)
    assert (due.message_id, due.line, due.url) == (message_id, None, URL)
    await hooks.delivered(due, 200)

    assert await hooks.erase() == 0
    await past(postgres, 8 * 86_400)
    assert await hooks.erase() == 1


async def test_with_the_webhook_goes_what_it_was_yet_to_be_told(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    webhook_id = (await made(hooks)).webhook.webhook_id
    await happens(postgres, 1, 2)
    await hooks.feed()

    assert await hooks.remove("other", webhook_id) is False
    assert await hooks.remove("acme", webhook_id) is True
    assert await postgres.sql("select from usm.webhook_deliveries") == []


async def test_an_outage_is_an_outage(hooks: PostgresWebhooks, postgres: PostgresBench) -> None:
    await postgres.go_down()
    for ask in (hooks.all("acme"), hooks.feed(), hooks.claim(1), hooks.add("acme", URL, 1)):
        with pytest.raises(StoreUnavailable):
            await ask


# -- only some of it


async def test_what_a_webhook_does_not_want_never_gets_into_the_outbox_and_is_passed_over(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    wanted = Wanted(apps=("two", "three"), states=("PENDING_QR", "REVOKED"))
    some = await hooks.add("acme", URL, 10, wanted)
    assert some is not None
    assert some.webhook.wanted == wanted
    name = ("acme", some.webhook.webhook_id)
    await happens(postgres, 1, 2, "one")
    await happens(postgres, 1, 1, "two")

    assert [await hooks.feed(), await hooks.feed()] == [3, 0]
    assert [each.seq for each in await hooks.deliveries(*name, 9)] == [3]
    await happens(postgres, 3, 3, "one")
    assert [await hooks.feed(), await hooks.feed()] == [1, 0]
    kept = await hooks.read(*name)
    assert kept is not None
    assert (kept.position, kept.wanted) == (4, wanted)

    changed = await hooks.change(*name, URL, WebhookStatus.ENABLED, Wanted(states=("REVOKED",)))
    assert changed is not None
    assert changed.wanted == Wanted(states=("REVOKED",))
    await happens(postgres, 2, 2, "two")
    await hooks.feed()
    assert [each.seq for each in await hooks.deliveries(*name, 9)] == [3]
    everything = await hooks.change(*name, URL, WebhookStatus.ENABLED)
    assert everything is not None
    assert everything.wanted == EVERYTHING
    await happens(postgres, 3, 3, "two")
    await hooks.feed()
    assert [each.seq for each in await hooks.deliveries(*name, 9)] == [6, 3]


async def test_a_long_journal_of_which_nothing_is_wanted_is_passed_over_in_portions(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    assert await hooks.add("acme", URL, 10, Wanted(apps=("rare",))) is not None
    await happens(postgres, 1, 2 * LINES_AT_ONCE + 1)
    await happens(postgres, 1, 1, "rare")

    assert [await hooks.feed() for _ in range(4)] == [LINES_AT_ONCE, LINES_AT_ONCE, 2, 0]
    assert seqs(await hooks.claim(10)) == [2 * LINES_AT_ONCE + 2]


# -- resending


async def dead(hooks: PostgresWebhooks, *dues: Due) -> None:
    for due in dues:
        await hooks.failed(due, Sent(500, Trouble.REFUSED), None)


async def test_a_dead_delivery_is_due_again_under_its_name_with_its_tries_counted_anew(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    webhook_id = (await made(hooks)).webhook.webhook_id
    await happens(postgres, 1, 1)
    await hooks.feed()
    for _ in range(2):
        (due,) = await hooks.claim(1)
        await hooks.failed(due, Sent(500, Trouble.REFUSED), 0.0)
    (due,) = await hooks.claim(1)
    assert await hooks.resend("acme", webhook_id, due.message_id) is Resent.DUE_ALREADY
    await dead(hooks, due)

    assert await hooks.resend("other", webhook_id, due.message_id) is Resent.UNKNOWN
    assert await hooks.resend("acme", webhook_id, "msg_acme_9") is Resent.UNKNOWN
    assert await hooks.resend("acme", webhook_id, due.message_id) is Resent.DUE_AGAIN
    (shown,) = await hooks.deliveries("acme", webhook_id, 5)
    assert (shown.status, shown.attempts, shown.answer, shown.trouble) == ("due", 0, None, None)
    assert shown.settled_at is None
    (again,) = await hooks.claim(1)
    assert (again.message_id, again.attempt, again.line) == (due.message_id, 1, due.line)
    await hooks.delivered(again, 200)
    assert await hooks.resend("acme", webhook_id, due.message_id) is Resent.DUE_AGAIN  # delivered ones too
    assert len(await hooks.claim(1)) == 1


async def test_a_try_from_before_settles_nothing_of_what_was_resent(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    webhook_id = (await made(hooks)).webhook.webhook_id
    await happens(postgres, 1, 1)
    await hooks.feed()
    (late,) = await hooks.claim(1)
    await past(postgres, LEASE + 1)
    (due,) = await hooks.claim(1)
    await dead(hooks, due)
    await hooks.resend("acme", webhook_id, due.message_id)
    (again,) = await hooks.claim(1)
    assert again.attempt == late.attempt == 1

    await hooks.delivered(late, 200)
    assert [each.status for each in await hooks.deliveries("acme", webhook_id, 5)] == ["due"]
    await hooks.delivered(again, 200)
    assert [each.status for each in await hooks.deliveries("acme", webhook_id, 5)] == ["delivered"]


async def test_of_two_who_resend_at_once_one_is_told_that_it_is_due(
    hooks: PostgresWebhooks, postgres: PostgresBench, database: Database
) -> None:
    webhook_id = (await made(hooks)).webhook.webhook_id
    await happens(postgres, 1, 1)
    await hooks.feed()
    (due,) = await hooks.claim(1)
    await dead(hooks, due)
    got: list[Resent] = []

    async def resend(node: PostgresWebhooks) -> None:
        got.append(await node.resend("acme", webhook_id, due.message_id))

    async with open_bench(database) as other, trio.open_nursery() as nursery:
        for each in (hooks, PostgresWebhooks(other.store.database, seals("first"))):
            nursery.start_soon(resend, each)

    assert sorted(got) == [Resent.DUE_AGAIN, Resent.DUE_ALREADY]


async def test_what_was_resent_keeps_its_order_and_holds_up_nothing_newer(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    webhook_id = (await made(hooks)).webhook.webhook_id
    await happens(postgres, 1, 2)
    await hooks.feed()
    for _ in range(2):
        await dead(hooks, *await hooks.claim(1))
    await happens(postgres, 3, 3)
    await hooks.feed()

    assert await hooks.recover("acme", webhook_id, 0.0, 10) == 2
    assert seqs(await hooks.claim(10)) == [1, 3]


async def test_what_died_since_a_moment_is_due_again_the_earliest_first(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    webhook_id = (await made(hooks)).webhook.webhook_id
    for app in ("one", "two", "three"):
        await happens(postgres, 1, 1, app)
    await hooks.feed()
    first, second, third = await hooks.claim(10)
    await dead(hooks, first)
    await past(postgres, 3600)
    await dead(hooks, second)
    await past(postgres, 60)
    await dead(hooks, third)
    since = (await postgres.sql("select extract(epoch from now())::float8 - 600 as at"))[0]["at"]

    assert await hooks.recover("other", webhook_id, since, 10) == 0
    assert [await hooks.recover("acme", webhook_id, since, 1) for _ in range(3)] == [1, 1, 0]
    shown = {each.seq: each.status for each in await hooks.deliveries("acme", webhook_id, 5)}
    assert shown == {1: "dead", 2: "due", 3: "due"}


async def test_deliveries_are_read_in_pages_without_a_gap_though_many_were_put_in_at_one_moment(
    hooks: PostgresWebhooks, postgres: PostgresBench
) -> None:
    webhook_id = (await made(hooks)).webhook.webhook_id
    for app in range(7):
        await happens(postgres, 1, 1, f"app{app}")
    await hooks.feed()
    for _ in range(2):
        await hooks.ping("acme", webhook_id)
    await dead(hooks, *await hooks.claim(2))
    everything = await hooks.deliveries("acme", webhook_id, 50)
    read: list[Delivery] = []
    while page := await hooks.deliveries("acme", webhook_id, 2, before=read[-1].place if read else None):
        read += page

    assert read == everything
    assert [each.seq for each in read] == [None, None, 7, 6, 5, 4, 3, 2, 1]
    gone = await hooks.deliveries("acme", webhook_id, 50, status=DeliveryStatus.DEAD)
    assert gone == [each for each in everything if each.status == "dead"]
    assert len(gone) == 2
    assert await hooks.deliveries(
        "acme", webhook_id, 1, status=DeliveryStatus.DEAD, before=gone[0].place
    ) == [gone[1]]


async def test_a_tenant_may_have_its_deliveries_resent_and_change_nothing_else_of_them(
    hooks: PostgresWebhooks,
) -> None:
    await made(hooks)
    for column, value in (("message_id", "'x'"), ("attempts", "0"), ("seq", "1"), ("leased_until", "now()")):
        with pytest.raises(Exception, match="permission denied"):
            await hooks._database.as_tenant(
                "acme",
                lambda c: c.execute(f"update usm.webhook_deliveries set {column} = {value}"),  # noqa: B023, S608 - awaited here, constants
            )
