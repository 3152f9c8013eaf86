"""Real PostgreSQL and Valkey as child processes, from wheels, for machines that have neither.

Each server is a context manager and belongs to one directory::

    with Postgres(Path(".data/postgres")) as postgres, Valkey(Path(".data/valkey")) as valkey:
        ...  # postgres.url, valkey.url

``start()`` blocks until the server answers. The two are independent, so both can start at once::

    with ThreadPoolExecutor() as pool:
        list(pool.map(Server.start, (postgres, valkey)))

Every server ends with the process that started it, however that one ends. On Windows and Alpine there are
no such wheels: ``start()`` says so and asks for ``DATABASE_URL`` and ``REDIS_URL``.
"""

from ops.embedded.errors import EmbeddedError
from ops.embedded.postgres import Postgres
from ops.embedded.server import Server
from ops.embedded.valkey import Valkey

__all__ = ["EmbeddedError", "Postgres", "Server", "Valkey"]
