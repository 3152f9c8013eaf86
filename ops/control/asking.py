"""Asks back before what cannot be undone."""

from __future__ import annotations

import sys

from ops.control.errors import NotAsked


def make_sure(question: str, name: str) -> None:
    """Have this name typed in the terminal. Raises NotAsked without one, or if anything else is typed."""
    if not sys.stdin.isatty():
        raise NotAsked("this cannot be undone: say --yes")
    if input(question) != name:
        raise NotAsked("nothing was done")
