"""The directory that belongs to one embedded server: its lock, password, log and data."""

import errno
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.embedded.account import Account
from ops.embedded.errors import EmbeddedError

LONGEST_SOCKET_PATH = 103
"""Bytes that fit sockaddr_un.sun_path with its final zero: 108 on Linux, 104 on macOS (unix(7), unix(4))."""

_FAREWELL_WITHIN = 30.0
"""Seconds a keeper whose launcher died may need to stop its server."""

_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@dataclass(frozen=True, slots=True)
class Place:
    """A server's directory. `data` belongs to the server's account, everything else to the launcher."""

    directory: Path

    @property
    def data(self) -> Path:
        """The server's working directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What the server said since its last start."""
        return self.directory / "server.log"

    @property
    def sockets(self) -> Path:
        """Where the server puts its socket: private, as its parent is."""
        return self.data / "run"

    @contextmanager
    def claimed(self) -> Iterator[int]:
        """Create and lock the directory; yields the lock's file descriptor, for a keeper to inherit.

        Raises EmbeddedError at once when somebody else holds it, or when the directory cannot be written.
        """
        with self._writing():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take(lock)
            os.truncate(lock, 0)
            os.write(lock, b"%d\n" % os.getpid())
            with self._writing():
                yield lock
        finally:
            os.close(lock)

    def _take(self, lock: int) -> None:
        """Lock the file; waits only for what a launcher that is dead already has left to its keeper."""
        import fcntl  # noqa: PLC0415 - Windows lacks it, and must get as far as our own sentence

        deadline = time.monotonic() + _FAREWELL_WITHIN
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(lock, 32, 0).decode().strip()
            if not holder or is_alive(int(holder)) or time.monotonic() > deadline:
                raise EmbeddedError(
                    f"{self.directory} is in use by process {holder}: stop that, or choose another directory."
                )
            time.sleep(0.01)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            raise EmbeddedError(
                f"{self.directory} cannot be used ({error.strerror}: {error.filename}): "
                f"make it a directory that uid {os.geteuid()} may write, or choose another."
            ) from error

    def password(self) -> str:
        """The server's password, made on first use and kept in a file that only the launcher can read."""
        kept = self.directory / "password"
        if not kept.exists():
            draft = self.directory / "password.new"
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
            draft.rename(kept)
        return kept.read_text()

    @contextmanager
    def fresh_log(self) -> Iterator[int]:
        """A new log, as a file descriptor; the log of the run before is kept beside it."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.old"))
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            yield log
        finally:
            os.close(log)

    def give(self, path: Path, account: Account | None) -> None:
        """Make `path` a private directory of the server's account."""
        path.mkdir(mode=0o700, exist_ok=True)
        if account is not None:
            os.chown(path, account.uid, account.gid)

    def short_way(self, socket: str) -> tuple[Path, list[Path]]:
        """A path to `sockets` short enough to connect to `socket` in it, and the links made for it.

        The server itself needs no short path: it binds its socket relative to its working directory.
        """
        if len(os.fsencode(self.sockets / socket)) <= LONGEST_SOCKET_PATH:
            return self.sockets, []
        private = tempfile.mkdtemp(prefix="usm-", dir="/tmp")
        link = Path(private) / "run"
        link.symlink_to(self.sockets)
        return link, [link]


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
