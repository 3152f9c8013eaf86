"""A directory for each server, and a PostgreSQL cluster that is made once and copied."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import Postgres
from tests.stores import scratch_directory


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where a server may make its directory: below one that only we can enter."""
    with scratch_directory() as parent:
        yield parent / "server"


@pytest.fixture(scope="session")
def fresh_cluster() -> Iterator[Path]:
    """The directory of a server that was started once and stopped."""
    with scratch_directory() as parent:
        with Postgres(parent / "server", durable=False):
            pass
        yield parent / "server"


@pytest.fixture
def cluster(fresh_cluster: Path, directory: Path) -> Path:
    """A directory to start PostgreSQL in, without waiting for initdb."""
    subprocess.run(["cp", "-a", fresh_cluster, directory], check=True)
    return directory
