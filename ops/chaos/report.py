"""What was seen, in figures, printed as it goes and at the end."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of them lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@dataclass(slots=True)
class Report:
    """The figures of one run."""

    sessions: int
    nodes: int
    cycles: int = 0
    duplicates: int = 0
    failures: list[str] = field(default_factory=list)
    lost_logins: list[str] = field(default_factory=list)
    lost_commands: list[str] = field(default_factory=list)
    acknowledged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    exits: dict[int, int] = field(default_factory=dict)
    superseded: list[int] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether everything is as it was promised."""
        return not (self.duplicates or self.failures or self.lost_logins or self.lost_commands)

    def say(self, what: str, seconds: float) -> None:
        """Print a line."""
        print(f"{what}: {seconds:.1f} s", flush=True)

    def note(self, trouble: str, seconds: dict[str, list[float]], duplicates: int, took: float) -> None:
        """A trouble is over."""
        self.cycles += 1
        for name, values in seconds.items():
            self.seconds.setdefault(name, []).extend(values)
        longest = ", ".join(
            f"{name} at most {max(values):.2f} s" for name, values in seconds.items() if values
        )
        self.say(f"{self.cycles:3} {trouble:18} duplicates {duplicates}  {longest or '-'}", took)

    def __str__(self) -> str:
        lines = [
            f"{self.cycles} troubles, {self.nodes} supervisors, {self.sessions} sessions",
            f"duplicates seen by the data centre: {self.duplicates}",
            f"sessions that need a new login: {len(self.lost_logins)} {self.lost_logins[:5] or ''}",
            f"commands acknowledged: {self.acknowledged}",
            f"commands acknowledged and lost: {len(self.lost_commands)} {self.lost_commands[:5] or ''}",
            f"commands refused or without an answer: {self.refused or 0}",
            f"exit codes after SIGTERM: {self.exits or '-'}, of the superseded: {self.superseded or '-'}",
            *(f"FAILED {failure}" for failure in self.failures),
        ]
        for name, values in self.seconds.items():
            if values:
                p50, p99, worst = statistics.median(values), percentile(values, 0.99), max(values)
                lines.append(
                    f"{name:56} p50 {p50:7.3f} s  p99 {p99:7.3f} s  max {worst:7.3f} s  ({len(values)})"
                )
        return "\n".join(lines)
