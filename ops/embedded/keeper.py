"""The keeper: a small process that owns one server, so that the server never outlives whoever asked for it.

It runs as a script, on the standard library alone: ``python -I -S keeper.py <order as JSON>``. Its standard
input is a pipe whose other end only the launcher holds: end of file, by ``stop()`` or by the launcher's
death however sudden, means *stop the server*. It reports the server's process id on its standard output,
once, and lives exactly as long as the server. It also keeps the directory's lock for that time.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Order(TypedDict):
    """What to run, as whom, and how to end it."""

    argv: list[str]
    cwd: str
    environment: dict[str, str]
    account: tuple[int, int] | None
    """Uid and gid to drop to, when the launcher is root."""
    inherited_fds: list[int]
    farewell: list[tuple[int, float]]
    """Signals to send one after the other, each with the seconds of patience that follow it."""
    litter: list[str]
    """Links to remove when the server is gone, each with the directory that holds nothing else."""


def spawn(order: Order) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own, where the terminal's Ctrl-C does not reach it."""
    uid, gid = order["account"] or (None, None)
    return subprocess.Popen(  # noqa: S603 - the launcher built argv from its own constants
        order["argv"],
        cwd=order["cwd"],
        env=order["environment"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        umask=0o077,
        start_new_session=True,
        pass_fds=order["inherited_fds"],
        preexec_fn=_follow_into_death(order["farewell"][0][0]),  # noqa: PLW1509 - there is one thread here
    )


def _follow_into_death(first_signal: int) -> Callable[[], None] | None:
    """Linux can also end the server should the keeper itself be killed; elsewhere nothing can."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, first_signal)

    return ask_the_kernel


def bid_farewell(server: subprocess.Popen[bytes], farewell: list[tuple[int, float]]) -> None:
    """Wait for end of file, then ask the server to end, ever less politely."""
    while os.read(0, 512):
        pass
    for number, patience in farewell:
        server.send_signal(number)
        time.sleep(patience)


def keep(order: Order) -> int:
    """Live as long as the server; its exit status."""
    server = spawn(order)
    # Whoever signals every process of a service must not make an orphan of the server. Not before the
    # server is there, for it would inherit this.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print(server.pid, flush=True)
    threading.Thread(target=bid_farewell, args=(server, order["farewell"]), daemon=True).start()
    return server.wait()


def main() -> int:
    """Carry out the order in the first argument; 0 if the server ended well."""
    order: Order = json.loads(sys.argv[1])
    try:
        return int(keep(order) != 0)
    finally:
        for link in map(Path, order["litter"]):
            link.unlink()
            link.parent.rmdir()


if __name__ == "__main__":
    sys.exit(main())
