"""Secrets from files: one file for a variable, or a folder of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.supervisor.environment import GOOD, MARKER, OTHER, Environment

HMAC = "MINIAPP_HMAC_SECRET"


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in GOOD.items() if name not in names}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{OTHER}\n")
    return path


def test_a_secret_may_come_from_a_file(environment: Environment, file: Path) -> None:
    settings = environment.load(without(HMAC) | {f"{HMAC}_FILE": str(file)})

    assert settings.miniapp_hmac_secret.get_secret_value() == OTHER


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "SUPABASE_SERVICE_ROLE_KEY", HMAC])
def test_every_secret_that_is_needed_may_come_from_a_folder(
    environment: Environment, tmp_path: Path, name: str
) -> None:
    (tmp_path / name.lower()).write_text(GOOD[name])
    (tmp_path / "..data").mkdir()

    settings = environment.load(without(name) | {"SECRETS_DIR": str(tmp_path)})

    assert getattr(settings, name.lower()).get_secret_value() == GOOD[name]


def test_what_is_in_a_file_is_judged_like_everything_else(environment: Environment, file: Path) -> None:
    file.write_text(f"short-{MARKER}")

    (fault,) = environment.faults(without(HMAC) | {f"{HMAC}_FILE": str(file)})

    assert fault.startswith(f"{HMAC} is shorter than 32 bytes")
    assert MARKER not in fault


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read (FileNotFoundError)"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff", "no text"),
        (b"\xef\xbb\xbf" + OTHER.encode(), "begins with a byte order mark"),
        (b"x" * (64 * 1024 + 1), "is too large for a secret"),
    ],
)
def test_a_file_that_is_of_no_use_is_named_with_all_other_faults(
    environment: Environment, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "broken"
    if content is not None:
        path.write_bytes(content)

    faults = environment.faults(without(HMAC, "REDIS_URL") | {f"{HMAC}_FILE": str(path), "PORT": "eighty"})

    assert len(faults) == 3
    assert any(fault.startswith(f"{HMAC}_FILE: {path}") and sentence in fault for fault in faults)


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a circle"])
def test_what_is_no_file_is_named_and_not_read(environment: Environment, tmp_path: Path, kind: str) -> None:
    """A pipe would wait for its writer without a word, a device would never end."""
    path = tmp_path / HMAC.lower()
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case "a folder":
            path.mkdir()
        case _:
            path.symlink_to(path)

    (by_name,) = environment.faults(without(HMAC) | {f"{HMAC}_FILE": str(path)})
    in_folder = environment.faults(without(HMAC) | {"SECRETS_DIR": str(tmp_path), f"{HMAC}_FILE": ""})

    assert by_name.startswith(f"{HMAC}_FILE: {path} cannot be read")
    assert any(fault.startswith(f"SECRETS_DIR, {path.name}: {path} cannot be read") for fault in in_folder)


def test_a_secret_that_is_given_twice_is_refused(environment: Environment, file: Path) -> None:
    faults = environment.faults(GOOD | {f"{HMAC}_FILE": str(file)})

    assert faults == [f"{HMAC}_FILE and {HMAC} are both set; keep one of them"]


def test_a_folder_that_is_not_there_is_named(environment: Environment, tmp_path: Path) -> None:
    faults = environment.faults(GOOD | {"SECRETS_DIR": str(tmp_path / "none")})

    assert len(faults) == 1
    assert faults[0].startswith("SECRETS_DIR: ")


def test_a_folder_that_may_not_be_read_is_named(environment: Environment, tmp_path: Path) -> None:
    if not os.getuid():
        pytest.skip("root may read everything")
    tmp_path.chmod(0o300)

    faults = environment.faults(GOOD | {"SECRETS_DIR": str(tmp_path)})

    assert faults == [f"SECRETS_DIR: {tmp_path} cannot be read (PermissionError); check its rights"]


def test_an_unreadable_file_of_a_folder_is_named(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / HMAC.lower()).write_bytes(b"\xff\xfe")

    faults = environment.faults(GOOD | {"SECRETS_DIR": str(tmp_path)})

    assert faults == [f"SECRETS_DIR, {HMAC.lower()}: {tmp_path / HMAC.lower()} is no text"]
