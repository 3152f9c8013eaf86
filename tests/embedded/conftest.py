"""A directory for each server, and a PostgreSQL cluster that is made once and copied."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import Postgres


@pytest.fixture
def directory() -> Iterator[Path]:
    """A private directory that does not exist yet; not tmp_path, which pytest would keep with 40 MB in it."""
    with tempfile.TemporaryDirectory(prefix="usm-") as parent:
        yield Path(parent) / "server"


@pytest.fixture(scope="session")
def fresh_cluster() -> Iterator[Path]:
    """The directory of a server that was started once and stopped."""
    with tempfile.TemporaryDirectory(prefix="usm-") as parent:
        with Postgres(Path(parent) / "server", durable=False):
            pass
        yield Path(parent) / "server"


@pytest.fixture
def cluster(fresh_cluster: Path, directory: Path) -> Path:
    """A directory to start PostgreSQL in, without waiting for initdb."""
    subprocess.run(["cp", "-a", fresh_cluster, directory], check=True)  # noqa: S603, S607 - cp keeps owners
    return directory
