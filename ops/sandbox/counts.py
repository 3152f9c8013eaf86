"""What has happened since the sandbox started, in numbers: the proof that a client does not storm."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counts:
    """Connections accepted by DC, and by the account whose key spoke there; keys made by DC; calls by method."""

    connections: Counter[int] = field(default_factory=Counter)
    connections_of: Counter[str] = field(default_factory=Counter)
    key_exchanges: Counter[int] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
