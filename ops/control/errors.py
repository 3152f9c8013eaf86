"""Why nothing came of a command, and the exit code that says so."""

from __future__ import annotations

from typing import Any, ClassVar


class ControlError(Exception):
    """The sentence is for people, `problem` for programs."""

    code: ClassVar[int] = 1

    def __init__(self, sentence: str, problem: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.problem = problem or {}


class Declined(ControlError):
    """The service said no: an RFC 9457 problem."""


class NotAsked(ControlError):
    """The service was not asked; the sentence names the fix."""

    code = 2


class NoCredential(NotAsked):
    """The service was not asked, for want of a key."""


class NoAnswer(ControlError):
    """The service does not answer; the sentence says where it was looked for."""

    code = 3
