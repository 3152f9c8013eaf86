"""What happened to sessions: the history of one, and a tenant's events as they come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import trio
from quart.testing import QuartClient

from actors.bridge import in_asyncio
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import SessionState
from actors.guards import KeyRole
from actors.ports import Transition
from api import session_events
from api.admission import identify
from api.feed import LOOK_EVERY
from api.polls import LongPolls
from api.server_sent import PING_EVERY
from api.streams import Streams
from tests.fakes import stores
from tests.http.conftest import SERVICE_KEY, VirtualTime, World
from tests.http.credentials import give_key

MAIN, OTHERS = SessionKey("demo", "main"), SessionKey("omega", "main")
LINE = Transition("StartQr", SessionState.ABSENT, SessionState.PENDING_QR, None)


def write(world: World, *keys: SessionKey) -> None:
    """A line of the journal for each, as another node's actors would write it."""
    for key in keys:
        lines = [line for line in world.store.journal if line[0] == key]
        world.store.journal.append((key, len(lines) + 1, LINE))


@pytest.fixture
def tenant(world: World) -> Secret:
    """demo's own API key."""
    return Secret(give_key(world.api_keys, KeyRole.TENANT, "demo"))


@dataclass(slots=True)
class Stream:
    """What has been received of a stream of events."""

    text: str = ""
    ended: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> list[tuple[int, Any]]:
        """The ids and data of the events of this name."""
        blocks = [block.splitlines() for block in self.text.split("\n\n")]
        return [(int(b[0][4:]), json.loads(b[2][6:])) for b in blocks if f"event: {name}" in b[1:]]

    @property
    def ids(self) -> list[int]:
        return [number for number, _ in self.of("session")]


@asynccontextmanager
async def following(
    world: World, credential: Secret, query: str = "", **headers: str
) -> AsyncIterator[Stream]:
    """A client that reads the stream for the length of the block, or until it ends."""
    stream = Stream()

    async def listen() -> None:
        sent = {"Authorization": f"Bearer {credential.reveal()}"} | headers
        # Any, because the protocol that Quart publishes leaves out what its own client has.
        request: Any = QuartClient(world.app).request(f"/api/v1/events{query}", headers=sent)
        async with request as connection:
            await connection.send_complete()
            stream.text += (await connection.receive()).decode()
            stream.headers = {name.lower(): value for name, value in connection.headers.items()}
            while "event: bye" not in stream.text:
                stream.text += (await connection.receive()).decode()
            stream.ended = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.doors.feed.keep_looking)
        nursery.start_soon(in_asyncio, listen)
        await world.settle()
        yield stream
        nursery.cancel_scope.cancel()


async def test_a_stream_begins_with_what_happens_now_and_tells_where_that_is(
    world: World, tenant: Secret, time: VirtualTime
) -> None:
    write(world, MAIN, MAIN)
    async with following(world, tenant) as stream:
        assert stream.of("hello") == [(2, {})]
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert (stream.headers["x-accel-buffering"], stream.headers["cache-control"]) == ("no", "no-store")

        write(world, MAIN)
        await time.after(LOOK_EVERY)

        assert stream.of("session") == [
            (
                3,
                {
                    "id": 3,
                    "tenant_id": "demo",
                    "app_id": "main",
                    "version": 3,
                    "at": 3.0,
                    "message": "StartQr",
                    "before": "ABSENT",
                    "after": "PENDING_QR",
                    "reason": None,
                },
            )
        ]


async def test_what_the_sessions_do_is_told_without_a_second_of_delay_when_this_node_did_it(
    world: World, tenant: Secret
) -> None:
    async with following(world, tenant) as stream:
        await world.start()
        world.doors.feed.ring("demo")
        await world.settle()

        assert [data["after"] for _, data in stream.of("session")] == ["PENDING_QR"]


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?after=3", {}), ("", {"Last-Event-ID": "3"}), ("?after=1", {"Last-Event-ID": "3"})],
)
async def test_who_comes_back_goes_on_after_what_it_has(
    world: World, tenant: Secret, query: str, headers: dict[str, str]
) -> None:
    write(world, *[MAIN] * 3, OTHERS, *[MAIN] * 4)
    async with following(world, tenant, query, **headers) as stream:
        assert stream.ids == [4, 5, 6, 7]


async def test_a_long_absence_is_told_page_by_page_and_nothing_twice(world: World, tenant: Secret) -> None:
    write(world, *[MAIN] * 350)
    async with following(world, tenant, "?after=0") as stream:
        assert stream.ids == list(range(1, 351))


async def test_an_event_that_is_not_there_yet_is_no_place_to_begin(world: World, tenant: Secret) -> None:
    write(world, MAIN)
    for query in ("?after=2", "?after=-1", "?after=x", "?unknown=1", f"?after={1 << 63}"):
        answer = await world.call("GET", f"/api/v1/events{query}", credential=tenant)
        assert (answer.status, answer.code) == (400, "invalid_request"), query


async def test_a_tenant_follows_itself_and_who_has_no_tenant_must_name_one(
    world: World, tenant: Secret
) -> None:
    write(world, MAIN, OTHERS)
    stranger = await world.call("GET", "/api/v1/events?tenant=omega", credential=tenant)
    unsaid = await world.call("GET", "/api/v1/events", credential=SERVICE_KEY)
    unfit = await world.call("GET", "/api/v1/events?tenant=a/b", credential=SERVICE_KEY)
    assert (stranger.code, unsaid.code, unfit.code) == ("tenant_mismatch", "invalid_request", "invalid_name")

    operator = Secret(give_key(world.api_keys, KeyRole.OPERATOR))
    for credential, query in ((tenant, "?tenant=demo&after=0"), (operator, "?tenant=demo&after=0")):
        async with following(world, credential, query) as stream:
            assert [data["tenant_id"] for _, data in stream.of("session")] == ["demo"]


async def test_a_quiet_stream_is_kept_alive(world: World, tenant: Secret, time: VirtualTime) -> None:
    async with following(world, tenant) as stream:
        await time.after(PING_EVERY)
        await time.after(PING_EVERY)

        assert stream.text.count(": ping\n\n") == 2
        assert not stream.ended


async def test_every_stream_ends_with_goodbye_when_the_service_stops(world: World, tenant: Secret) -> None:
    async with following(world, tenant) as stream:
        world.doors.polls.end()
        await world.settle()
        assert stream.ended
    assert world.doors.feed._waiting == {}


async def test_over_the_bound_a_stream_tells_what_there_is_and_ends(world: World, tenant: Secret) -> None:
    write(world, MAIN)
    world.change(polls=LongPolls(bound=0))
    async with following(world, tenant, "?after=0") as stream:
        assert (stream.ended, stream.ids) == (True, [1])


async def test_a_key_that_was_revoked_reads_no_further(
    world: World, tenant: Secret, time: VirtualTime
) -> None:
    async with following(world, tenant) as stream:
        (key_id,) = world.api_keys.kept
        world.api_keys.kept[key_id] = replace(world.api_keys.kept[key_id], revoked_at=0.0)
        write(world, MAIN)
        await time.after(LOOK_EVERY)

        assert (stream.ended, stream.ids) == (True, [])


async def test_a_database_that_goes_down_ends_the_stream_and_the_next_one_goes_on(
    world: World, tenant: Secret, time: VirtualTime
) -> None:
    async with following(world, tenant) as stream:
        world.journal.down = True
        await time.after(LOOK_EVERY)
        still_open = (
            not stream.ended
        )  # looking for news is no reason to end: the stream itself is told in time
        await time.after(PING_EVERY)
        assert still_open
        assert stream.ended
        ((known, _),) = stream.of("hello")
    refused = await world.call("GET", "/api/v1/events", credential=tenant)
    assert (refused.status, refused.code) == (503, "store_unavailable")
    world.journal.down = False
    write(world, MAIN)
    async with following(world, tenant, **{"Last-Event-ID": str(known)}) as stream:
        assert stream.ids == [1]


async def test_a_caller_has_only_so_many_streams(world: World, tenant: Secret) -> None:
    world.change(streams=Streams(per_caller=1))
    async with following(world, tenant):
        answer = await world.call("GET", "/api/v1/events", credential=tenant)
        assert (answer.status, answer.code) == (429, "too_many_streams")


# -- only some of them


@dataclass(slots=True)
class Browser:
    """An EventSource, as WHATWG HTML 9.2.6 has it: what it dispatches, and what it will say it has seen last."""

    events: list[tuple[str, str]] = field(default_factory=list)
    last_event_id: str = ""

    def read(self, text: str) -> None:
        name, data, last_id = "", "", self.last_event_id
        for line in text.splitlines():
            if line.startswith(":"):
                continue
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match key:
                case "event":
                    name = value
                case "data":
                    data += f"{value}\n"
                case "id":
                    last_id = value
                case "":
                    self.last_event_id = last_id  # set whether there is data or not
                    if data:
                        self.events.append((name or "message", data.removesuffix("\n")))
                    name, data = "", ""


def browser(stream: Stream) -> Browser:
    own = Browser()
    own.read(stream.text)
    return own


RARE = SessionKey("demo", "rare")


async def test_a_stream_tells_only_of_the_apps_and_states_that_were_asked_for(
    world: World, tenant: Secret, time: VirtualTime
) -> None:
    write(world, MAIN, RARE, MAIN, SessionKey("demo", "third"))
    for query, ids in (
        ("app=rare", [2]),
        ("app=rare&app=third", [2, 4]),
        ("state=PENDING_QR&state=REVOKED", [1, 2, 3, 4]),
        ("state=AUTHORIZED", []),
        ("app=main&state=AUTHORIZED", []),
    ):
        async with following(world, tenant, f"?after=0&{query}") as stream:
            assert stream.ids == ids, query
    async with following(world, tenant, "?app=rare") as stream:
        write(world, MAIN, RARE)
        await time.after(LOOK_EVERY)
        assert stream.ids == [6]


async def test_who_is_told_nothing_for_long_need_not_read_it_all_again_after_a_cut(
    world: World, tenant: Secret, time: VirtualTime
) -> None:
    write(world, RARE, MAIN)
    async with following(world, tenant, "?after=0&app=rare") as stream:
        assert (browser(stream).last_event_id, stream.ids) == ("1", [1])
        write(world, MAIN, MAIN)
        await time.after(LOOK_EVERY)
        assert browser(stream).last_event_id == "1"  # not a word for each that is not wanted
        await time.after(PING_EVERY)
        own = browser(stream)
        assert (own.last_event_id, [name for name, _ in own.events]) == ("4", ["hello", "session"])
        await time.after(PING_EVERY)
        assert stream.text.endswith(": ping\n\n")  # there is nothing new to say
    write(world, RARE)
    async with following(world, tenant, "?app=rare", **{"Last-Event-ID": own.last_event_id}) as stream:
        assert stream.ids == [5]


async def test_a_long_chain_is_looked_through_with_signs_of_life_and_nothing_wanted_is_missed(
    world: World, tenant: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (session_events, stores):
        monkeypatch.setattr(module, "LONGEST_STRETCH", 50)
    write(world, *[MAIN] * 120, RARE, *[MAIN] * 60, RARE)
    before = world.journal.reads
    async with following(world, tenant, "?after=0&app=rare") as stream:
        assert stream.ids == [121, 182]
        assert stream.text.count(": ping\nid: ") >= 2  # before the first that is wanted
        assert world.journal.reads - before < 10
        assert browser(stream).last_event_id == "182"


async def test_a_filter_that_means_nothing_is_refused(world: World, tenant: Secret) -> None:
    many = "&".join(f"app=a{number}" for number in range(101))
    for query in ("state=LOST", "state=", "state=authorized", "app=a/b", "app=", f"app={'a' * 65}", many):
        answer = await world.call("GET", f"/api/v1/events?{query}", credential=tenant)
        assert (answer.status, answer.code) == (400, "invalid_request"), query


async def test_a_client_that_hangs_up_leaves_nothing_behind(world: World, tenant: Secret) -> None:
    async with following(world, tenant):
        assert len(world.doors.polls._waiting) == 1
    await world.settle()

    assert (world.doors.polls._waiting, world.doors.feed._waiting) == (set(), {})


async def test_many_who_follow_cost_one_look(world: World, tenant: Secret, time: VirtualTime) -> None:
    async with following(world, tenant), following(world, tenant):
        before = world.journal.reads
        await time.after(LOOK_EVERY)
        assert world.journal.reads == before + 2  # a look of each test client's own loop, none of the streams


async def test_a_client_that_takes_nothing_has_one_page_in_memory_and_holds_nobody_up(
    world: World, tenant: Secret
) -> None:
    """Pages are read when the one before was taken: the stream is pulled, nothing is pushed into a queue."""
    write(world, *[MAIN] * 5 * session_events.PAGE)
    stream = session_events._stream(world.doors, *await _asked(world, tenant), "demo", 0)

    async def take(number: int) -> list[str]:
        return [await anext(stream) for _ in range(number)]

    await in_asyncio(take, 3)
    before = world.journal.reads
    await world.settle()
    assert world.journal.reads == before
    async with following(world, tenant, "?after=0") as neighbour:
        assert len(neighbour.ids) == 5 * session_events.PAGE
    assert (await in_asyncio(take, 1))[0].startswith(f"id: {session_events.PAGE + 1}\n")
    await in_asyncio(stream.aclose)  # type: ignore[attr-defined]  # it is a generator


async def _asked(world: World, credential: Secret) -> tuple[Any, list[str]]:
    header = [f"Bearer {credential.reveal()}"]

    async def ask() -> Any:
        async with world.app.test_request_context("/api/v1/events"):
            return await identify(header, world.doors)

    return await in_asyncio(ask), header


# -- the history of one session


async def test_a_sessions_history_is_read_from_the_newest_back_in_pages(world: World, tenant: Secret) -> None:
    write(world, *[MAIN] * 5, SessionKey("demo", "other"))
    path, pages = "/api/v1/sessions/demo/main/events?limit=2", []
    while path:
        answer = await world.call("GET", path, credential=tenant)
        pages.append([event["version"] for event in answer.json["events"]])
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
        assert bool(path) == (answer.json["next_cursor"] is not None)

    assert pages == [[5, 4], [3, 2], [1]]


async def test_there_is_no_history_of_what_never_was_nor_of_what_is_anothers(
    world: World, tenant: Secret
) -> None:
    write(world, OTHERS)
    for path, code in (
        ("demo/main/events", "session_unknown"),
        ("omega/main/events", "tenant_mismatch"),
        ("demo/a%20b/events", "invalid_name"),
        ("demo/main/events?limit=0", "invalid_request"),
        ("demo/main/events?cursor=0", "invalid_request"),
    ):
        answer = await world.call("GET", f"/api/v1/sessions/{path}", credential=tenant)
        assert answer.code == code, path


async def test_the_history_is_not_for_account_holders_or_pages(world: World) -> None:
    write(world, MAIN)
    for path in ("/api/v1/events", "/api/v1/sessions/demo/main/events"):
        assert (await world.call("GET", path)).code == "forbidden"
