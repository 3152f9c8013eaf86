"""Names of tenants, apps and sessions, checked once at the edge so that no path can be climbed later."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_NAME = re.compile(NAME_PATTERN, re.ASCII)


class InvalidName(ValueError):
    """A tenant_id or app_id that is not one to 64 letters, digits, '_' or '-', first a letter or digit."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} must match {NAME_PATTERN}")
        self.field = field


def check_name(field: str, name: str) -> str:
    """The name itself. Raises InvalidName."""
    if not _NAME.fullmatch(name):
        raise InvalidName(field)
    return name


@dataclass(frozen=True, slots=True, order=True)
class SessionKey:
    """Names one session: which tenant's, which app's. Raises InvalidName, so a bad key cannot exist."""

    tenant_id: str
    app_id: str

    def __post_init__(self) -> None:
        for field in ("tenant_id", "app_id"):
            check_name(field, getattr(self, field))

    def __str__(self) -> str:
        return f"{self.tenant_id}/{self.app_id}"
