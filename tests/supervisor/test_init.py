"""`python -m ops.init`: fresh secrets with which the service starts, and nothing overwritten."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from actors.adapters.keyring import Keyring
from ops.init import InitError, init
from tests.supervisor.environment import GOOD, Environment


def _values(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_what_it_writes_is_fit_to_start_with_and_readable_by_us_alone(
    environment: Environment, tmp_path: Path
) -> None:
    init(env=tmp_path / ".env")

    made = _values(tmp_path / ".env")
    settings = environment.load(GOOD | made)
    assert settings.miniapp_hmac_secret.get_secret_value() == made["MINIAPP_HMAC_SECRET"]
    assert len(Keyring.read(Path(made["BACKUP_ENCRYPTION_KEY_PATH"])).names) == 1
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_no_two_installations_have_the_same_secrets(tmp_path: Path) -> None:
    for name in ("a", "b"):
        init(env=tmp_path / name / ".env")
    first, second = (_values(tmp_path / name / ".env") for name in ("a", "b"))

    names = ("SUPABASE_SERVICE_ROLE_KEY", "MINIAPP_HMAC_SECRET", "USM_APP_PASSWORD")
    assert len({made[name] for made in (first, second) for name in names}) == 6


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    init(env=tmp_path / ".env")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(InitError, match="is there already"):
        init(env=tmp_path / ".env")
    init(env=tmp_path / "other.env", keyring=tmp_path / "backup.key")

    assert {path: path.read_bytes() for path in before} == before


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(InitError):
        init(env=tmp_path / ".env")
    assert not (tmp_path / "elsewhere").exists()
