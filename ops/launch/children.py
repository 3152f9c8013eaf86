"""Our own child processes: started early, told when to go, and never left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.launch.home import LaunchError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
PATIENCE = 30.0
"""Seconds that a child gets after SIGTERM; the supervisor promises to need less."""


class ChildProcess:
    """A Python child in a session of its own, so that the terminal's Ctrl-C is ours alone.

    Linux ends it when we are killed. Start it from the main thread: that death signal follows the thread.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=_follow_into_death,  # noqa: PLW1509 - it only makes one system call
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs, negative for a signal."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for its end; how it ended, negative for a signal."""
        return self._process.wait()

    def send_line(self, text: str) -> None:
        """Write one line to its standard input, which is then closed."""
        assert self._process.stdin is not None  # noqa: S101 - stdin=PIPE above
        try:
            with self._process.stdin as pipe:
                pipe.write(text.encode() + b"\n")
        except BrokenPipeError:
            raise self._death() from None

    def wait_line(self) -> str:
        """Its next line of standard output. Raises LaunchError, with its last words, if it ends instead."""
        assert self._process.stdout is not None  # noqa: S101 - stdout=PIPE above
        line = self._process.stdout.readline()
        if not line:
            raise self._death()
        return line.decode()

    def require_alive(self) -> None:
        """Raise LaunchError if it has ended."""
        if self._process.poll() is not None:
            raise self._death()

    def stop(self) -> None:
        """Ask it to end and wait until it has; insist after PATIENCE seconds. Again is harmless."""
        self._process.terminate()  # does nothing to a process whose end we have seen
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        with self._process:
            pass

    def _death(self) -> LaunchError:
        code = self._process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        words = self.log.read_text(errors="replace").strip()[-1500:]
        return LaunchError(f"the {self.name} ended {how}. Its log is {self.log}:\n{words}")


def _follow_into_death() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def inherited_environment(**changes: str) -> dict[str, str]:
    """Our environment with these variables set."""
    return {**os.environ, **changes}
