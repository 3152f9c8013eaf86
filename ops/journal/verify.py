"""Follows every chain from its first line to its last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

from ops.journal.chain import Chain, Finding, Head, Kept, Line

SHOWN = 5
"""Findings of one chain that are told; the rest is only counted."""


@dataclass(slots=True)
class Tally:
    """What there was."""

    lines: int = 0
    chains: int = 0
    broken: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Who is told while a journal is read, so that nothing need be kept."""

    finding: Callable[[Finding], None]
    head: Callable[[str, Head], None]
    """A whole chain's."""
    progress: Callable[[int], None]
    """Lines read so far."""


class _Reading:
    """The chain in hand, and what was kept of those to come."""

    def __init__(self, kept: Mapping[str, Kept], report: Report) -> None:
        self.tally = Tally()
        self._kept = dict(kept)
        self._report = report
        self._chain: Chain | None = None
        self._found = 0

    def take(self, line: Line) -> None:
        if self._chain is None or self._chain.tenant_id != line.tenant_id:
            self._end_chain()
            self._begin(line.tenant_id)
        assert self._chain is not None  # noqa: S101 - begun above
        self.tally.lines += 1
        self._tell(self._chain.follow(line))

    def end(self) -> None:
        self._end_chain()
        for tenant_id in sorted(self._kept):  # of these there is no line
            self._begin(tenant_id)
            self._end_chain()

    def _begin(self, tenant_id: str) -> None:
        self._chain = Chain(tenant_id, self._kept.pop(tenant_id, {}))
        self._found = 0
        self.tally.chains += 1

    def _end_chain(self) -> None:
        if (chain := self._chain) is None:
            return
        self._chain = None
        self._tell(chain.end())
        if chain.is_whole:
            self._report.head(chain.tenant_id, chain.head)
            return
        self.tally.broken += 1
        if self._found > SHOWN:
            self._report.finding(
                Finding(chain.tenant_id, chain.head.seq, f"and {self._found - SHOWN} findings more")
            )

    def _tell(self, findings: Iterator[Finding]) -> None:
        for finding in findings:
            self._found += 1
            if self._found <= SHOWN:
                self._report.finding(finding)


async def follow(lines: AsyncIterator[Line], kept: Mapping[str, Kept], report: Report) -> Tally:
    """Judge lines that come chain by chain, beside the heads that were kept outside."""
    reading = _Reading(kept, report)
    async for line in lines:
        reading.take(line)
        report.progress(reading.tally.lines)
    reading.end()
    return reading.tally
