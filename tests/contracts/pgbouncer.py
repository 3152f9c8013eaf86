"""A real PgBouncer in transaction mode between us and the server."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import trio

from ops.embedded.account import account_for
from tests.contracts.relay import relay_to_postgres
from tests.stores import Database

PROGRAM = which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
SERVER_CONNECTIONS = 4

_SETTINGS = """\
[databases]
{database} = host=127.0.0.1 port={port} dbname={database}

[pgbouncer]
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
unix_socket_dir = {directory}
listen_port = 6432
auth_type = scram-sha-256
auth_file = {directory}/users
"""


@asynccontextmanager
async def open_pgbouncer(database: Database) -> AsyncIterator[str]:
    """The URL of the service's login through a pooler that has fewer connections than we open.

    The pooler reaches the server over TCP: it runs under an account that may not enter the server's directory.
    """
    async with relay_to_postgres(database.app_url) as (relay, _), trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, relay.relay, 0, host="127.0.0.1"))
        with _running(database, listener.socket.getsockname()[1]) as directory:
            while not (directory / ".s.PGSQL.6432").exists():
                await trio.sleep(0.01)
            url = urlsplit(database.app_url)
            login = url.netloc.rpartition("@")[0]
            yield url._replace(netloc=f"{login}@", query=f"host={directory}&port=6432").geturl()
        nursery.cancel_scope.cancel()


@contextmanager
def _running(database: Database, port: int) -> Iterator[Path]:
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="usm-") as name:
        directory = Path(name)
        url = urlsplit(database.app_url)
        (directory / "users").write_text(f'"{url.username}" "{url.password}"\n')
        (directory / "settings.ini").write_text(
            _SETTINGS.format(database=database.name, port=port, size=SERVER_CONNECTIONS, directory=directory)
        )
        account = account_for(directory / "none", ("postgres", "nobody"))
        if account is not None:
            for path in (directory, *directory.iterdir()):
                os.chown(path, account.uid, account.gid)
        identity = {} if account is None else account.identity()
        with subprocess.Popen([PROGRAM, "-q", directory / "settings.ini"], **identity) as process:
            try:
                yield directory
            finally:
                process.terminate()
