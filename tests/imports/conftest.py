"""A folder of session files, and a way to read one of them as an import does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.adapters.imports import Found, Oddity, Room, find, read
from actors.core.foreign import TELEGRAM, Fault, ForeignLogin, Unreadable

Read = Callable[[Path], ForeignLogin]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    folder.mkdir()
    return folder


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    parent = tmp_path / "rooms"
    parent.mkdir()
    with Room.open(parent) as room:
        yield room
    assert list(parent.iterdir()) == []


@pytest.fixture
def reading(base: Path, room: Room) -> Read:
    """Reads the file at a path below the base folder."""

    def read_one(path: Path) -> ForeignLogin:
        parts = path.relative_to(base).parts
        found = next(entry for entry in find(base) if entry.parts == parts)
        if isinstance(found, Oddity):
            raise Unreadable(found.fault, found.sentence)
        try:
            return read(room, base, found, TELEGRAM)
        finally:
            assert list(room.folder.iterdir()) == []

    return read_one


@pytest.fixture
def fault_of(reading: Read) -> Callable[[Path], Fault]:
    """What is wrong with the file at a path."""

    def fault(path: Path) -> Fault:
        with pytest.raises(Unreadable) as refused:
            reading(path)
        assert str(refused.value)
        return refused.value.fault

    return fault


def found(base: Path) -> list[Found | Oddity]:
    return list(find(base))
