"""What every child is given."""

from __future__ import annotations

from dataclasses import dataclass

from actors.clock import Clock
from actors.epochs import Epochs
from supervisor.events import Tell
from supervisor.settings import SandboxTelegram, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The settings, the clock, the epochs under which sessions are had, and whom to tell what happens."""

    settings: Settings
    sandbox: SandboxTelegram | None
    clock: Clock
    epochs: Epochs
    tell: Tell
