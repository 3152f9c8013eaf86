"""What the embedded servers have in common: claim a directory, start under a keeper, wait until ready, stop.

A server's working directory is its data directory, and every path it is given is relative to that. So it
works in a directory below parents that its account may not enter (`/root`, a 0700 home), and its socket's
path has no limit.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, TypeAlias

from ops.embedded.account import Account, account_for
from ops.embedded.errors import EmbeddedError
from ops.embedded.keeper import Order
from ops.embedded.place import Place

READY_WITHIN = 120.0
"""Seconds for a start; only the recovery of a large log after a crash comes near."""

HERE = "/proc/self/cwd" if Path("/proc/self/cwd").exists() else "."
"""The working directory, by a name that a server can make absolute without walking through its parents."""

Farewell: TypeAlias = Sequence[tuple[signal.Signals, float]]
"""Signals that end a server, one after the other, each with the seconds of patience that follow it."""

_POLL = 0.005
_KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a start has in hand: the program, who runs it, the held lock and the open log (file descriptors)."""

    program: Path
    account: Account | None
    lock: int
    log: int


class Server(ABC):
    """One embedded server in a directory of its own; started by `start()` or `with`, stopped by `stop()`.

    Its methods block. A server that ended by itself can be started again. Two servers may be started in two
    threads, but no two threads may use one server.
    """

    name: ClassVar[str]
    accounts: ClassVar[Sequence[str]]
    """Accounts that may run it when we are root, best first."""
    socket_name: ClassVar[str]
    farewell: ClassVar[Farewell]
    shares_lock: ClassVar[bool]
    """Whether the server holds the directory's lock too; only needed where it has no interlock of its own."""

    def __init__(self, directory: Path) -> None:
        self._place = Place(Path(directory).absolute())
        self._keeper: subprocess.Popen[str] | None = None
        self._pid: int | None = None
        self._sockets = self._place.sockets

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._place.directory)!r})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._pid is None:
            raise EmbeddedError(f"{self!r} is not started.")
        return self._pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended since."""
        return self._keeper is not None and self._keeper.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises EmbeddedError if the platform, the directory or the server's own refusal is in the way.
        """
        if self.is_running:
            raise EmbeddedError(f"{self!r} is started already.")
        self.stop()
        account = account_for(self._place.data, self.accounts)
        program = self._program(account)
        with self._place.claimed() as lock, self._place.fresh_log() as log:
            try:
                self._run(Claim(program, account, lock, log))
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Stop the server and wait until it is gone. Does nothing if it is not started."""
        keeper, self._keeper, self._pid = self._keeper, None, None
        if keeper is None:
            return
        with keeper:  # closes the pipe, which is the keeper's sign to stop the server, and waits for its end
            pass

    def _run(self, claim: Claim) -> None:
        """Run the server until it is ready, or raise EmbeddedError with the reason it gave."""
        self._prepare(claim)
        self._place.give(self._place.sockets, claim.account)
        if not self._attempt(claim):
            raise self._refusal()

    def _attempt(self, claim: Claim) -> bool:
        """Start the server and wait; false if it ended instead of becoming ready."""
        self._sockets, links = self._place.short_way(self.socket_name)
        self._keeper = self._spawn(
            claim,
            [str(claim.program), *self._arguments()],
            self._place.data,
            inherited_fds=[claim.lock] if self.shares_lock else [],
            farewell=self.farewell,
            litter=links,
        )
        if self._wait_until_ready(self._keeper):
            return True
        self.stop()
        return False

    def _spawn(
        self,
        claim: Claim,
        argv: Sequence[str],
        directory: Path,
        *,
        inherited_fds: Sequence[int],
        farewell: Farewell,
        litter: Sequence[Path] = (),
    ) -> subprocess.Popen[str]:
        """Start a keeper with a program in a directory. Its input ends the program, its output is a process id."""
        order = Order(
            argv=list(argv),
            cwd=str(directory),
            environment=self._environment(),
            account=None if claim.account is None else (claim.account.uid, claim.account.gid),
            inherited_fds=list(inherited_fds),
            farewell=[(int(number), patience) for number, patience in farewell],
            litter=[str(link) for link in litter],
        )
        return subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-I", "-S", str(_KEEPER), json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=claim.log,
            text=True,
            pass_fds={claim.lock, *inherited_fds},
            start_new_session=True,
        )

    def _wait_until_ready(self, keeper: subprocess.Popen[str]) -> bool:
        assert keeper.stdout is not None  # noqa: S101 - stdout=PIPE above
        report = keeper.stdout.readline()
        if not report:
            return False
        self._pid = int(report)
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready(self._pid):
            if keeper.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"{self.name} is not ready after {READY_WITHIN:.0f} s: {self._place.log} may tell why."
                )
            time.sleep(_POLL)
        return True

    def _refusal(self) -> EmbeddedError:
        return EmbeddedError(f"{self.name} did not start: {self._last_words()} Its log is {self._place.log}.")

    def _last_words(self) -> str:
        lines = self._place.log.read_text(errors="replace").split("\n")
        telling = [line for line in lines if re.search("fatal|error", line, re.IGNORECASE)] or lines
        return next(
            (line.strip().rstrip(".") + "." for line in reversed(telling) if line.strip()), "it said nothing."
        )

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    @abstractmethod
    def _program(self, account: Account | None) -> Path:
        """The binary, where the account can run it."""

    @abstractmethod
    def _prepare(self, claim: Claim) -> None:
        """Make the data directory ready for a start."""

    @abstractmethod
    def _arguments(self) -> list[str]:
        """The server's arguments; paths in them are relative to the data directory."""

    @abstractmethod
    def _is_ready(self, pid: int) -> bool:
        """Whether the server with that process id answers already."""
