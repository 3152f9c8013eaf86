"""What others of this machine can read on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable

_URL_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def shows_password(arguments: Iterable[str]) -> bool:
    """Whether one of them is a URL with a password in it."""
    return any(_URL_WITH_PASSWORD.search(argument) for argument in arguments)
