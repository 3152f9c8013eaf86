"""A terminal in which `ops/start` runs, as a story needs it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
START = str(ROOT / "ops" / "start")
PATIENCE = 60.0


class Terminal:
    """A terminal in which `ops/start` runs."""

    def __init__(self, *arguments: str, output: Path) -> None:
        self._output = output
        with output.open("wb") as screen:
            self.process = subprocess.Popen(
                [START, *arguments], stdout=screen, stderr=subprocess.STDOUT, env=environment()
            )

    @property
    def screen(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        def appeared() -> bool:
            assert text in self.screen or self.process.poll() is None, self.screen
            return text in self.screen

        wait_until(appeared, text)

    def press_ctrl_c(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"still waiting for: {what}"
        time.sleep(0.05)


def environment() -> dict[str, str]:
    """Ours, without real credentials, and on ports that no other test has."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TELEGRAM_")}
    return {**ours, "PORT": "0", "METRICS_PORT": "0"}
