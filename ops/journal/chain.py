"""What follows from what in a tenant's chain: pure arithmetic on rows, without the database's own functions."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

ROOT = bytes(32)
"""What the first line of a chain follows."""

Kept: TypeAlias = Mapping[int, AbstractSet[bytes]]
"""The hashes that somebody outside noted for some lines of a tenant, by seq."""

_NULL = struct.pack(">i", -1)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of `session_journal`."""

    tenant_id: str
    app_id: str
    version: int
    at: int
    """Microseconds since 2000-01-01 UTC, as PostgreSQL keeps them."""
    message: str
    from_state: str | None
    to_state: str
    reason: str | None
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a chain: its place and its hash."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was done to a tenant's chain."""

    tenant_id: str
    seq: int
    what: str


def hash_of(previous: bytes, line: Line) -> bytes:
    """The hash that a line must have after another one."""
    return sha256(
        b"".join(
            (
                previous,
                struct.pack(">q", line.seq),
                _field(line.tenant_id),
                _field(line.app_id),
                struct.pack(">qq", line.version, line.at),
                _field(line.message),
                _field(line.from_state),
                _field(line.to_state),
                _field(line.reason),
            )
        )
    ).digest()


def _field(value: str | None) -> bytes:
    if value is None:
        return _NULL
    text = value.encode()
    return struct.pack(">i", len(text)) + text


class Chain:
    """One tenant's chain, followed from its first line to its last."""

    def __init__(self, tenant_id: str, kept: Kept) -> None:
        self.tenant_id = tenant_id
        self.head = Head(0, ROOT)
        self.is_whole = True
        self._kept = dict(kept)

    def follow(self, line: Line) -> Iterator[Finding]:
        """What is wrong with the next line. A line after a wrong one is judged by what is written there."""
        expected = self.head.seq + 1
        if line.seq > expected:
            yield self._found(expected, f"missing: after seq {self.head.seq} comes seq {line.seq}")
        elif line.seq < expected:
            yield self._found(line.seq, f"inserted: seq {self.head.seq} is there already")
        elif hash_of(self.head.hash, line) != line.hash:
            yield self._found(line.seq, "changed: its hash does not fit the line before and what it says")
        if self._kept.pop(line.seq, {line.hash}) != {line.hash}:
            yield self._found(line.seq, "rewritten: the hash that was kept outside is another")
        self.head = Head(line.seq, line.hash)

    def end(self) -> Iterator[Finding]:
        """What is wrong with the end: lines that somebody outside has seen are not there."""
        if self._kept:
            yield self._found(
                self.head.seq + 1,
                f"cut off: seq {max(self._kept)} was kept outside, seq {self.head.seq} is last",
            )

    def _found(self, seq: int, what: str) -> Finding:
        self.is_whole = False
        return Finding(self.tenant_id, seq, what)
