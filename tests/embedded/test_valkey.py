import os
import signal
from pathlib import Path

import pytest
import redis

from ops.embedded import EmbeddedError, Valkey
from tests.embedded.processes import is_gone, wait_until


def test_it_is_configured_to_keep_everything_and_to_hear_only_its_socket(directory: Path) -> None:
    with Valkey(directory) as valkey, redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        asked = ["port", "appendonly", "appendfsync", "save", "maxmemory-policy", "unixsocketperm"]
        assert client.config_get(*asked) == {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "unixsocketperm": "700",
        }


def test_the_password_is_needed_and_in_no_repr(directory: Path) -> None:
    with Valkey(directory) as valkey:
        password = (directory / "password").read_text()
        assert len(password) > 40
        assert password not in repr(valkey)
        with (
            redis.Redis.from_url(valkey.url.replace(password, "guess")) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_keys_survive_a_restart_and_a_kill(directory: Path) -> None:
    valkey = Valkey(directory)
    with valkey, redis.Redis.from_url(valkey.url) as client:
        client.set("kept", 1)
        pid = valkey.pid
    assert is_gone(pid)
    valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        for _ in range(500):
            client.incr("kept")
    os.kill(valkey.pid, signal.SIGKILL)
    wait_until(lambda: not valkey.is_running)
    with valkey, redis.Redis.from_url(valkey.url) as client:
        assert client.get("kept") == b"501"


def test_a_second_launcher_is_refused_at_once(directory: Path) -> None:
    with Valkey(directory), pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}: stop that"):
        Valkey(directory).start()


def test_a_deep_directory_with_odd_signs_works_and_leaves_no_short_cut_behind(directory: Path) -> None:
    deep = directory.joinpath(*["de%p ?#" * 6] * 4)
    with Valkey(deep) as valkey, redis.Redis.from_url(valkey.url) as client:
        assert client.ping()
        short_cut = valkey._sockets
        assert short_cut.is_symlink()
    assert not short_cut.parent.exists()


def test_a_broken_append_only_file_is_told_with_the_log(directory: Path) -> None:
    with Valkey(directory):
        pass
    (directory / "data" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(EmbeddedError, match=r"Valkey did not start: .* Its log is .*server\.log"):
        Valkey(directory).start()
