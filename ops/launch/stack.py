"""The whole stack of one installation: servers, the sandbox if asked for, and the supervisor on top."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ops.embedded import EmbeddedError, Postgres, Valkey
from ops.launch.children import ChildProcess, inherited_environment
from ops.launch.home import Home, Keys, LaunchError, Run
from ops.migrate import MigrationError, bootstrap, migrate

APP_ROLE = "usm_app"
SUPERVISOR = ["-m", "ops.launch.warm_supervisor"]


@dataclass(frozen=True, slots=True)
class Stack:
    """What is running."""

    run: Run
    children: tuple[ChildProcess, ...]

    def require_alive(self) -> None:
        """Raise LaunchError if one of our processes has ended."""
        for child in self.children:
            child.require_alive()

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises LaunchError if one of our processes ends meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.require_alive()
            time.sleep(0.2)


@contextmanager
def running(home: Home, *, sandbox: bool) -> Iterator[Stack]:
    """Have everything up for the length of the block. Raises LaunchError, whose sentence names the fix."""
    keys = Keys.of(home)
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        # Started before all others, because its imports take longest, and stopped before all others.
        supervisor = ChildProcess(
            "supervisor", SUPERVISOR, inherited_environment(), home.path / "supervisor.log"
        )
        stack.callback(supervisor.stop)
        telegram = stack.enter_context(sandbox_dc(home)) if sandbox else None
        servers = stack.enter_context(_Servers(home, keys).started(pool))
        stack.callback(supervisor.stop)
        children = tuple(child for child in (telegram, supervisor) if child is not None)
        if telegram is not None:
            telegram.wait_line()
        environment = {**servers, **_service(home, keys, sandbox=sandbox)}
        supervisor.send_line(json.dumps(environment))
        ready = json.loads(supervisor.wait_line())
        host = environment["HOST"]
        run = Run(
            f"http://{host}:{ready['api_port']}",
            f"http://{environment['METRICS_HOST']}:{ready['metrics_port']}/metrics",
            environment["SUPABASE_SERVICE_ROLE_KEY"],
        )
        run.save(home)
        stack.callback(Run.forget, home)
        yield Stack(run, children)


@contextmanager
def sandbox_dc(home: Home) -> Iterator[ChildProcess]:
    """The sandbox, starting: its first line says that it is up."""
    folder = home.sandbox_file.parent
    arguments = ["-m", "ops.sandbox", "--directory", str(folder)]
    child = ChildProcess("sandbox DC", arguments, inherited_environment(), home.path / "telegram.log")
    try:
        yield child
    finally:
        child.stop()


@dataclass(frozen=True, slots=True)
class _Servers:
    """PostgreSQL and Valkey: those that the environment names, and embedded ones for the rest."""

    home: Home
    keys: Keys

    @contextmanager
    def started(self, pool: ThreadPoolExecutor) -> Iterator[dict[str, str]]:
        """Start what is missing, both at once; yields their URLs as environment variables."""
        with ExitStack() as stack:
            starting: dict[str, Future[str]] = {}
            if "DATABASE_URL" not in os.environ:
                postgres = Postgres(self.home.path / "postgres")
                stack.callback(postgres.stop)
                starting["DATABASE_URL"] = pool.submit(self._postgres, postgres)
            if "REDIS_URL" not in os.environ:
                valkey = Valkey(self.home.path / "valkey")
                stack.callback(valkey.stop)
                starting["REDIS_URL"] = pool.submit(self._valkey, valkey)
            try:
                yield {name: url.result() for name, url in starting.items()}
            except (EmbeddedError, MigrationError) as error:
                raise LaunchError(str(error)) from error

    def _postgres(self, postgres: Postgres) -> str:
        postgres.start()
        bootstrap(postgres.url, self.keys.app_password)
        migrate(postgres.url)
        return postgres.url_for(APP_ROLE, self.keys.app_password, "postgres")

    @staticmethod
    def _valkey(valkey: Valkey) -> str:
        valkey.start()
        return valkey.url


def _service(home: Home, keys: Keys, *, sandbox: bool) -> dict[str, str]:
    """The supervisor's variables: what the environment does not say, the installation has an answer for."""
    host, metrics_host = os.environ.get("HOST", "127.0.0.1"), os.environ.get("METRICS_HOST", "127.0.0.1")
    variables = {
        "SESSIONS_BASE_PATH": os.environ.get("SESSIONS_BASE_PATH", str(home.path / "sessions")),
        "BACKUP_ENCRYPTION_KEY_PATH": os.environ.get("BACKUP_ENCRYPTION_KEY_PATH") or str(home.keyring()),
        "HOST": host,
        "PORT": os.environ.get("PORT", str(free_port(host, 8080))),
        "METRICS_HOST": metrics_host,
        "METRICS_PORT": os.environ.get("METRICS_PORT", str(free_port(metrics_host, 9090))),
    }
    if sandbox:
        variables["SUPABASE_SERVICE_ROLE_KEY"] = keys.service_key
        variables["MINIAPP_HMAC_SECRET"] = keys.hmac_secret
        variables["TELEGRAM_SANDBOX"] = str(home.sandbox_file)
    else:
        variables["SUPABASE_SERVICE_ROLE_KEY"] = os.environ["SUPABASE_SERVICE_ROLE_KEY"]
    return variables


def free_port(host: str, wish: int) -> int:
    """The port we wish for, or 0 for any if somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wish))
        except OSError:
            return 0
    return wish
