"""A wrapper for what must never be printed: passwords, codes, tokens, phone numbers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Holds a secret text. It is deliberately not a str: `+`, f-strings and json.dumps cannot spill it."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself; call it only where the secret is used."""
        return self._value

    def __str__(self) -> str:
        return "***"
