"""Following a login by server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import trio
from quart.testing import QuartClient

from actors.bridge import in_asyncio
from actors.core.secret import Secret
from actors.guards import KeyRole
from api.polls import LongPolls
from api.server_sent import PING_EVERY
from tests.http.conftest import VirtualTime, World
from tests.http.credentials import give_key


@dataclass(slots=True)
class Stream:
    """What has been received of a stream of events."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    ended: bool = False

    @property
    def steps(self) -> list[Any]:
        """The data of the events that tell of a step."""
        blocks = [block.splitlines() for block in self.text.split("\n\n")]
        return [json.loads(lines[2][len("data: ") :]) for lines in blocks if "event: step" in lines]


@asynccontextmanager
async def following(world: World, ticket: str, **headers: str) -> AsyncIterator[Stream]:
    """A client that reads the stream for the length of the block, or until it ends."""
    stream = Stream()

    async def listen() -> None:
        sent = {"Authorization": f"Bearer {world.credential.reveal()}", "X-Ticket": ticket} | headers
        path = "/api/v1/login/current/events"
        # Any, because the protocol that Quart publishes leaves out what its own client has.
        request: Any = QuartClient(world.app).request(path, headers=sent)
        async with request as connection:
            await connection.send_complete()
            stream.text += (await connection.receive()).decode()
            stream.status = connection.status_code
            stream.headers = {name.lower(): value for name, value in connection.headers.items()}
            while "event: bye" not in stream.text:
                stream.text += (await connection.receive()).decode()
            stream.ended = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio, listen)
        await world.settle()
        yield stream
        nursery.cancel_scope.cancel()


async def drawn(world: World, ticket: str) -> str:
    """The same ticket, once its QR is drawn, which takes a thread and real time."""
    await world.status(ticket)
    return ticket


async def test_a_stream_tells_every_step_to_the_end_and_says_goodbye(world: World) -> None:
    async with following(world, await world.until_password()) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert (stream.headers["x-accel-buffering"], stream.headers["cache-control"]) == ("no", "no-store")
        assert stream.text.startswith("retry: 2000\n\n")
        assert [step["step"]["step_id"] for step in stream.steps] == ["password"]

        await world.password(stream.steps[0]["login"]["ticket"], "correct horse")
        await world.settle()

        assert stream.steps[-1]["step"]["type"] == "complete"
        assert stream.text.endswith("event: bye\ndata: {}\n\n")
        assert stream.ended


async def test_the_ids_are_the_sequence_numbers(world: World) -> None:
    async with following(world, await world.until_password()) as stream:
        assert f"id: {stream.steps[0]['sequence']}\n" in stream.text


async def test_a_client_that_comes_back_is_not_told_again_what_it_knows(world: World) -> None:
    ticket = await world.until_password()
    known = (await world.status(ticket)).json["sequence"]

    async with following(world, ticket, **{"Last-Event-ID": str(known)}) as stream:
        assert stream.steps == []
    for unknown in ("0", "x", "٣", "9" * 40):
        async with following(
            world, ticket, **{"Last-Event-ID": unknown.encode().decode("latin-1")}
        ) as stream:
            assert len(stream.steps) == 1


async def test_a_quiet_stream_is_kept_alive(world: World, time: VirtualTime) -> None:
    async with following(world, await world.until_password()) as stream:
        await time.after(PING_EVERY)
        await time.after(PING_EVERY)

        assert stream.text.count(": ping\n\n") == 2
        assert len(stream.steps) == 1


async def test_every_stream_ends_with_goodbye_when_the_service_stops(world: World) -> None:
    ticket = await world.until_password()
    async with following(world, ticket) as stream:
        assert "bye" not in stream.text
        world.doors.polls.end()
        await world.settle()
        assert stream.ended
    async with following(world, ticket) as late:
        assert (late.ended, len(late.steps)) == (True, 1)


async def test_who_may_no_more_ask_sees_no_further(world: World, time: VirtualTime) -> None:
    ticket = await world.ticket()
    world.credential = Secret(give_key(world.api_keys, KeyRole.TENANT, "demo"))
    async with following(world, ticket) as stream:
        (key_id,) = world.api_keys.kept
        world.api_keys.kept[key_id] = replace(world.api_keys.kept[key_id], revoked_at=0.0)
        world.session.accept()
        await time.after(0)

        assert (stream.ended, len(stream.steps)) == (True, 1)


async def test_over_the_bound_a_stream_tells_the_present_and_ends(world: World) -> None:
    world.change(polls=LongPolls(bound=0))

    async with following(world, await drawn(world, await world.until_password())) as stream:
        assert (stream.ended, len(stream.steps)) == (True, 1)


async def test_a_store_that_goes_down_ends_the_stream_and_not_the_login(
    world: World, time: VirtualTime
) -> None:
    ticket = await world.until_password()
    async with following(world, ticket) as stream:
        world.tickets.down = True
        await time.after(PING_EVERY)
        assert stream.ended
    world.tickets.down = False

    assert (await world.status(ticket)).json["requires_password"]


async def test_a_client_that_hangs_up_leaves_no_poll_behind(world: World) -> None:
    async with following(world, await world.until_password()):
        assert len(world.doors.polls._waiting) == 1
    await world.settle()

    assert world.doors.polls._waiting == set()


async def test_an_unknown_ticket_has_no_stream(world: World) -> None:
    answer = await world.call("GET", "/api/v1/login/current/events", headers={"X-Ticket": "x"})

    assert (answer.status, answer.code) == (404, "ticket_unknown")
