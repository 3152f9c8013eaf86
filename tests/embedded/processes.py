"""What the system knows about processes, for tests that end some of them."""

import os
import subprocess
import time
from collections.abc import Callable


def is_gone(pid: int) -> bool:
    """Whether there is no such process; one that only waits for its parent's attention is gone too."""
    state = _ps("-o", "stat=", "-p", str(pid))
    return not state or state[0].startswith("Z")


def parent_of(pid: int) -> int:
    return int(_ps("-o", "ppid=", "-p", str(pid))[0])


def family_of(pid: int) -> set[int]:
    """The process, its parent and its children."""
    rows = [line.split() for line in _ps("-e", "-o", "pid=,ppid=")]
    return {pid, parent_of(pid)} | {int(child) for child, parent in rows if int(parent) == pid}


def wait_until(condition: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def _ps(*arguments: str) -> list[str]:
    shown = subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False, env=os.environ)
    return shown.stdout.split("\n")[:-1]
