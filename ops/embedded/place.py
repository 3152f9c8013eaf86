"""The directory that belongs to one embedded server: its lock, password, log and data."""

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.embedded.account import Account
from ops.embedded.errors import EmbeddedError

LONGEST_SOCKET_PATH = 103
"""Bytes that fit sockaddr_un.sun_path with its final zero: 108 on Linux, 104 on macOS (unix(7), unix(4))."""

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
        import fcntl  # noqa: PLC0415 - Windows lacks it, and must get as far as our own sentence

        with self._writing():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 32).decode().strip()
                raise EmbeddedError(
                    f"{self.directory} is in use by process {holder}: stop that, or choose another directory."
                ) from None
            os.truncate(lock, 0)
            os.write(lock, b"%d\n" % os.getpid())
            with self._writing():
                yield lock
        finally:
            os.close(lock)

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

    def fresh_log(self) -> int:
        """A file descriptor of a new log; the log of the run before is kept beside it."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.old"))
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

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
