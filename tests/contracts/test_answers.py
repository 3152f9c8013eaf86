"""What every Answers does: the fake, and Valkey."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from actors.adapters.answers import RedisAnswers
from actors.adapters.redis import open_redis
from actors.bridge import open_loop
from actors.ports import Answered, Answers
from ops.embedded import Valkey
from tests.fakes import FakeAnswers

IN_WORK = Answered("one", None)
DONE = Answered("one", '{"step": "…"}')


@pytest.fixture
def place(request: pytest.FixtureRequest, kind: str) -> str | None:
    return None if kind == "fake" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
async def answers(place: str | None) -> AsyncIterator[Answers]:
    if place is None:
        yield FakeAnswers()
        return
    async with open_loop(), open_redis(place) as client:
        yield RedisAnswers(client)


async def test_a_name_is_claimed_once(answers: Answers) -> None:
    assert await answers.claim("a", "one", 60) is None
    assert await answers.claim("a", "two", 60) == IN_WORK
    assert await answers.claim("b", "two", 60) is None


async def test_of_many_claims_at_once_one_succeeds(answers: Answers) -> None:
    claims: list[Answered | None] = []

    async def claim() -> None:
        claims.append(await answers.claim("a", "one", 60))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(claim)

    assert claims.count(None) == 1
    assert claims.count(IN_WORK) == 19


async def test_a_kept_answer_is_what_later_claims_find(answers: Answers) -> None:
    await answers.claim("a", "one", 60)
    await answers.keep("a", DONE, 60)

    assert await answers.claim("a", "one", 60) == DONE
    assert await answers.claim("a", "two", 60) == DONE


async def test_a_forgotten_name_is_free(answers: Answers) -> None:
    await answers.claim("a", "one", 60)
    await answers.forget("a")
    await answers.forget("b")

    assert await answers.claim("a", "two", 60) is None


async def test_a_name_becomes_free_after_its_time(answers: Answers) -> None:
    await answers.claim("a", "one", 0.05)
    await answers.claim("b", "one", 0.05)
    await answers.keep("b", DONE, 60)

    with trio.fail_after(2):
        while await answers.claim("a", "two", 60) == IN_WORK:
            await trio.sleep(0.005)
    assert await answers.claim("b", "two", 60) == DONE


async def test_what_was_claimed_is_claimed_still_after_the_server_was_killed(tmp_path: Path) -> None:
    valkey = Valkey(tmp_path)
    with valkey:
        async with open_loop(), open_redis(valkey.url) as client:
            assert await RedisAnswers(client).claim("name", "fingerprint", 600) is None
        os.kill(valkey.pid, signal.SIGKILL)
        while valkey.is_running:
            await trio.sleep(0.01)
    with valkey:
        async with open_loop(), open_redis(valkey.url) as client:
            assert await RedisAnswers(client).claim("name", "fingerprint", 600) is not None
