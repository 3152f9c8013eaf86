import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.embedded import Postgres, Valkey
from tests.embedded.processes import family_of, is_gone, parent_of, wait_until

LAUNCHER = """
import sys, time
from pathlib import Path
from ops.embedded import Postgres, Valkey
postgres, valkey = Postgres(Path(sys.argv[1]), durable=False), Valkey(Path(sys.argv[2]))
for server in postgres, valkey:
    server.start()
    print(server.pid, flush=True)
time.sleep(600)
"""


def launch(postgres: Path, valkey: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, postgres, valkey],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_pid(launcher: subprocess.Popen[str]) -> int:
    assert launcher.stdout is not None
    return int(launcher.stdout.readline())


def test_no_process_is_left_when_the_launcher_is_killed(cluster: Path, directory: Path) -> None:
    with launch(cluster, directory.with_name("valkey")) as launcher:
        everybody = family_of(read_pid(launcher)) | family_of(read_pid(launcher))
        assert len(everybody) >= 8  # two keepers, two servers, and PostgreSQL's own processes
        launcher.kill()
    wait_until(lambda: all(is_gone(pid) for pid in everybody))


def test_the_next_launcher_need_not_wait_for_the_servers_of_one_that_was_killed(
    cluster: Path, directory: Path
) -> None:
    with launch(cluster, directory.with_name("valkey")) as launcher:
        servers = [read_pid(launcher), read_pid(launcher)]
        launcher.kill()
    with Postgres(cluster) as postgres, Valkey(directory.with_name("valkey")) as valkey:
        assert all(is_gone(pid) for pid in servers)
        assert postgres.is_running
        assert valkey.is_running


def test_no_process_is_left_after_stop(cluster: Path, directory: Path) -> None:
    with Postgres(cluster) as postgres, Valkey(directory.with_name("valkey")) as valkey:
        everybody = family_of(postgres.pid) | family_of(valkey.pid)
    assert all(is_gone(pid) for pid in everybody - {os.getpid()})


def test_a_launcher_killed_while_it_makes_the_cluster_leaves_a_directory_that_starts(directory: Path) -> None:
    with launch(directory, directory.with_name("valkey")) as launcher:
        wait_until(lambda: any(directory.glob("data.*/base")))
        launcher.kill()
    with Postgres(directory, durable=False) as postgres:
        assert postgres.is_running
    assert not list(directory.glob("data.*"))


def test_the_terminals_interrupt_reaches_no_server(cluster: Path, directory: Path) -> None:
    with launch(cluster, directory.with_name("valkey")) as launcher:
        servers = [read_pid(launcher), read_pid(launcher)]
        sessions = {os.getsid(pid) for server in servers for pid in (server, parent_of(server))}
        assert os.getsid(launcher.pid) not in sessions
        launcher.kill()
    wait_until(lambda: all(is_gone(pid) for pid in servers))


def test_a_keeper_ignores_the_signals_that_a_whole_service_gets(directory: Path) -> None:
    with Valkey(directory) as valkey:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(parent_of(valkey.pid), number)
        assert valkey.is_running
        assert not is_gone(valkey.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_server_follows_its_keeper_into_death(cluster: Path, directory: Path) -> None:
    with Postgres(cluster) as postgres, Valkey(directory.with_name("valkey")) as valkey:
        everybody = family_of(postgres.pid) | family_of(valkey.pid)
        os.kill(parent_of(postgres.pid), signal.SIGKILL)
        os.kill(parent_of(valkey.pid), signal.SIGKILL)
        wait_until(lambda: all(is_gone(pid) for pid in everybody - {os.getpid()}))
    with Postgres(cluster) as postgres:
        assert postgres.is_running
