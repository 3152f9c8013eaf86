"""How many event streams a caller may have open."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest

from api.caller import Caller
from api.errors import TooManyStreams
from api.permissions import Role
from api.streams import PER_CALLER, Streams

ONE = Caller(role=Role.PAGE, tenant_id="demo", name="page:demo")
OTHER = Caller(role=Role.PAGE, tenant_id="other", name="page:other")
SERVICE = Caller(role=Role.SERVICE, tenant_id=None, name="service")


async def _stream() -> AsyncIterator[str]:
    yield "x"


def test_a_caller_has_so_many_and_others_are_not_counted_with_them() -> None:
    streams, open_ones = Streams(), [_stream() for _ in range(PER_CALLER)]
    for stream in open_ones:
        streams.count(ONE, stream)

    with pytest.raises(TooManyStreams):
        streams.count(ONE, _stream())
    streams.count(OTHER, _stream())
    for stream in open_ones:
        streams.count(SERVICE, stream)


def test_a_stream_that_is_gone_is_not_counted_even_if_nobody_ever_read_it() -> None:
    streams = Streams(per_caller=1)
    stream = _stream()
    streams.count(ONE, stream)
    with pytest.raises(TooManyStreams):
        streams.count(ONE, _stream())

    del stream
    gc.collect()
    streams.count(ONE, _stream())


async def test_a_stream_that_ended_is_not_counted() -> None:
    streams = Streams(per_caller=1)
    stream = _stream()
    streams.count(ONE, stream)
    assert [item async for item in stream] == ["x"]
    del stream
    gc.collect()

    assert not streams._open
