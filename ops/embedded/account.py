"""Which system account a server runs under.

PostgreSQL refuses to run as root, and no server here needs root's rights. So when we are root the server is
given an existing unprivileged account. No account is created and no parent directory's mode is changed: a
server finds its data through its working directory (see `ops.embedded.server`), and its binaries are copied
if they must be (see `ops.embedded.wheels`).
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ops.embedded.errors import EmbeddedError


class Identity(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that change who the child is."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged system account."""

    uid: int
    gid: int

    def identity(self) -> Identity:
        """What to pass to `subprocess` to become this account, and nothing more than it."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_run(self, program: Path) -> bool:
        """Whether this account can execute the program, found out by doing so."""
        try:
            asked = subprocess.run(  # noqa: S603 - a server's binary and a constant
                [program, "--version"], cwd="/", capture_output=True, check=False, **self.identity()
            )
        except PermissionError:
            return False
        return asked.returncode == 0


def account_for(data: Path, names: Sequence[str]) -> Account | None:
    """The account to drop to: the owner of existing data, else the first of `names`; None unless root.

    Raises EmbeddedError if none of them exists, or if the system has no /proc.
    """
    if os.geteuid() != 0:
        return None
    if not Path("/proc/self/cwd").exists():
        raise EmbeddedError(
            "Without /proc the embedded servers cannot be started by root: be an ordinary user."
        )
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    import pwd  # noqa: PLC0415 - Windows lacks it, and must get as far as our own sentence

    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in names:
        if name in entries:
            return Account(entries[name].pw_uid, entries[name].pw_gid)
    raise EmbeddedError(
        f"Root needs one of the accounts {', '.join(names)} to run a server under: create one."
    )


def refuse_nameless_uid(uid: int) -> None:
    """Raise EmbeddedError if the uid has no passwd entry: PostgreSQL's initdb insists on a name."""
    import pwd  # noqa: PLC0415 - as above

    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedError(
            f"Uid {uid} has no entry in /etc/passwd, which PostgreSQL needs: add one, or set DATABASE_URL."
        ) from None
