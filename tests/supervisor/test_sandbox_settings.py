"""The sandbox in the settings: it keeps to itself, to this machine and to made-up credentials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from supervisor.settings import SandboxDc, SandboxTelegram, SettingsError
from tests.supervisor.environment import API_HASH, GOOD, SANDBOX, TELEGRAM, Environment


def test_the_sandbox_needs_no_credentials(environment: Environment) -> None:
    settings = environment.load(SANDBOX)

    assert settings.telegram_sandbox == Path("sandbox.json")
    assert settings.telegram_api_hash_master is None


@pytest.mark.parametrize("name", [None, "production", "staging"])
def test_what_the_sandbox_seals_is_always_the_sandbox_s(environment: Environment, name: str | None) -> None:
    values = SANDBOX | ({} if name is None else {"ENVIRONMENT_NAME": name})

    assert environment.load(values).environment == "sandbox"


@pytest.mark.parametrize("name", TELEGRAM)
def test_the_sandbox_refuses_real_credentials(environment: Environment, name: str) -> None:
    (fault,) = environment.faults(SANDBOX | {name: GOOD[name]})

    assert fault.startswith("TELEGRAM_SANDBOX refuses real credentials: unset ")


@pytest.mark.parametrize("name", ["HOST", "METRICS_HOST"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])  # noqa: S104 - refused
def test_the_sandbox_serves_this_machine_only(environment: Environment, name: str, host: str) -> None:
    (fault,) = environment.faults(SANDBOX | {name: host})

    assert fault.startswith("TELEGRAM_SANDBOX serves this machine only: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_the_sandbox_knows_this_machine(environment: Environment, host: str) -> None:
    assert environment.load(SANDBOX | {"HOST": host, "METRICS_HOST": host}).host == host


def test_without_the_sandbox_any_host_may_be_served(environment: Environment) -> None:
    assert environment.load(GOOD | {"HOST": "0.0.0.0"}).host == "0.0.0.0"  # noqa: S104 - a setting


def test_a_sandbox_is_read_from_its_description(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    description = {
        "home_dc": 2,
        "dcs": [[1, "127.0.0.1", 4431], [2, "127.0.0.1", 4432]],
        "rsa_public_key": "-----BEGIN RSA PUBLIC KEY-----",
        "api_id": 4,
        "api_hash": API_HASH,
    }
    path.write_text(json.dumps(description))

    sandbox = SandboxTelegram.read(path)

    assert sandbox.home == SandboxDc(2, "127.0.0.1", 4432)
    assert (sandbox.api_id, sandbox.api_hash) == (4, API_HASH)


@pytest.mark.parametrize(
    "content", [None, "", "no json", "[]", "{}", '{"dcs": [], "home_dc": 2}', '{"dcs": [[2]]}']
)
def test_what_is_no_description_of_a_sandbox_is_refused_with_a_way_out(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "sandbox.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(
        SettingsError, match=r"sandbox\.json is no sandbox description .* python -m ops\.sandbox"
    ):
        SandboxTelegram.read(path)
