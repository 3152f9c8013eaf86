"""Settings: every fault is named at once, no value ever, and the sandbox keeps to itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from supervisor.settings import Settings, SettingsError, load_settings

MARKER = "leaked"
STRONG, OTHER = f"{MARKER}-{'s' * 32}", f"{MARKER}-{'o' * 32}"
API_HASH = "0123456789abcdef0123456789abcdef"

GOOD = {
    "DATABASE_URL": f"postgresql://user:{MARKER}@localhost/db",
    "REDIS_URL": f"redis://:{MARKER}@localhost:6379",
    "SUPABASE_SERVICE_ROLE_KEY": STRONG,
    "MINIAPP_HMAC_SECRET": OTHER,
    "TELEGRAM_API_ID_MASTER": "12345",
    "TELEGRAM_API_HASH_MASTER": API_HASH,
}
TELEGRAM = ("TELEGRAM_API_ID_MASTER", "TELEGRAM_API_HASH_MASTER")
SANDBOX = {name: value for name, value in GOOD.items() if name not in TELEGRAM} | {
    "TELEGRAM_SANDBOX": "sandbox.json"
}


class Environment:
    """The process's environment, made of nothing but what a test puts in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for name in list(os.environ):
            monkeypatch.delenv(name)

    def load(self, values: dict[str, str]) -> Settings:
        for name, value in values.items():
            self._monkeypatch.setenv(name, value)
        return load_settings()

    def faults(self, values: dict[str, str]) -> list[str]:
        """What is said about these, a line for each fault."""
        with pytest.raises(SettingsError) as refused:
            self.load(values)
        first, *lines = str(refused.value).splitlines()
        assert first == "cannot start:"
        return [line.strip() for line in lines]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(monkeypatch)


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in GOOD.items() if name not in names}


def test_a_good_environment_is_enough(environment: Environment) -> None:
    settings = environment.load(GOOD)

    assert settings.feature_unified_session_manager is True
    assert settings.sessions_base_path == Path("/app/sessions")
    assert (settings.qr_ticket_ttl, settings.session_lock_ttl) == (600, 30)
    assert settings.miniapp_timestamp_tolerance == 300
    assert (settings.host, settings.port, settings.metrics_port) == ("127.0.0.1", 8080, 9090)
    assert (settings.enable_session_backup, settings.backup_retention_days) == (False, 7)
    assert settings.miniapp_hmac_secret.get_secret_value() == OTHER


def test_an_empty_environment_is_told_everything_at_once(environment: Environment) -> None:
    faults = environment.faults({})

    for name in GOOD:
        assert any(name in fault and "missing" in fault for fault in faults), name


@pytest.mark.parametrize("name", GOOD)
def test_each_missing_variable_is_named(environment: Environment, name: str) -> None:
    faults = environment.faults(without(name))

    assert len(faults) == 1
    assert faults[0].startswith(f"{name} is missing; ")


@pytest.mark.parametrize("name", GOOD)
def test_an_empty_variable_is_a_missing_one(environment: Environment, name: str) -> None:
    assert environment.faults(GOOD | {name: ""})[0].startswith(f"{name} is missing")


def test_faults_of_every_kind_are_told_together(environment: Environment) -> None:
    bad = without("DATABASE_URL", "TELEGRAM_API_HASH_MASTER") | {
        "MINIAPP_HMAC_SECRET": "changeme",
        "PORT": "eighty",
        "LOG_LEVEL": "loud",
        "QR_TICKET_TTL": "1200",
    }

    names = [fault.split(" ")[0] for fault in environment.faults(bad)]

    assert names == sorted(
        [
            "DATABASE_URL",
            "LOG_LEVEL",
            "MINIAPP_HMAC_SECRET",
            "PORT",
            "QR_TICKET_TTL",
            "TELEGRAM_API_HASH_MASTER",
        ]
    )


@pytest.mark.parametrize("name", ["SUPABASE_SERVICE_ROLE_KEY", "MINIAPP_HMAC_SECRET"])
@pytest.mark.parametrize(
    "value",
    [
        "your-service-role-key-and-some-more-letters",
        "CHANGEME" * 5,
        "please-change-me-please-change-me-please",
        "put-your-secret-here-put-your-secret-here",
        "an-example-that-is-long-enough-to-be-strong",
    ],
)
def test_a_placeholder_is_refused_however_long_it_is(environment: Environment, name: str, value: str) -> None:
    (fault,) = environment.faults(GOOD | {name: value})

    assert fault.startswith(f"{name} is a placeholder; ")
    assert "openssl rand -hex 32" in fault


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPABASE_ANON_KEY", "your-anon-key"),
        ("SUPABASE_SERVICE_ROLE_KEY", "your-service-role-key"),
        ("TELEGRAM_API_HASH_MASTER", "your-api-hash"),
        ("MINIAPP_HMAC_SECRET", "your-hmac-secret"),
    ],
)
def test_the_documentation_s_own_placeholders_are_refused(
    environment: Environment, name: str, value: str
) -> None:
    (fault,) = environment.faults(GOOD | {name: value})

    assert fault.startswith(f"{name} is a placeholder")


@pytest.mark.parametrize("name", ["SUPABASE_SERVICE_ROLE_KEY", "MINIAPP_HMAC_SECRET"])
@pytest.mark.parametrize(("length", "is_enough"), [(1, False), (31, False), (32, True)])
def test_a_short_secret_is_refused(environment: Environment, name: str, length: int, is_enough: bool) -> None:
    values = GOOD | {name: "x" * length}

    if is_enough:
        environment.load(values)
    else:
        (fault,) = environment.faults(values)
        assert fault.startswith(f"{name} is shorter than 32 bytes; ")


def test_two_secrets_must_differ(environment: Environment) -> None:
    same = GOOD | {"MINIAPP_HMAC_SECRET": STRONG}

    assert environment.faults(same) == ["SUPABASE_SERVICE_ROLE_KEY and MINIAPP_HMAC_SECRET must differ"]
    assert len(environment.faults(same | {"PORT": "eighty"})) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_API_ID_MASTER", "your-api-id"),
        ("TELEGRAM_API_ID_MASTER", "0"),
        ("TELEGRAM_API_ID_MASTER", "-5"),
        ("MINIAPP_TIMESTAMP_TOLERANCE", "29"),
        ("MINIAPP_TIMESTAMP_TOLERANCE", "3601"),
        ("QR_TICKET_TTL", "59"),
        ("QR_TICKET_TTL", "601"),
        ("SESSION_LOCK_TTL", "9"),
        ("BACKUP_RETENTION_DAYS", "0"),
        ("PORT", "65536"),
        ("METRICS_PORT", "-1"),
        ("LOG_FORMAT", "xml"),
        ("FEATURE_UNIFIED_SESSION_MANAGER", "perhaps"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(environment: Environment, name: str, value: str) -> None:
    (fault,) = environment.faults(GOOD | {name: value})

    assert fault.startswith(f"{name} ")


@pytest.mark.parametrize(
    "bad",
    [
        GOOD | {"PORT": MARKER, "LOG_LEVEL": MARKER, "ENABLE_SESSION_BACKUP": MARKER},
        GOOD | {"TELEGRAM_API_ID_MASTER": MARKER},
        GOOD | {"MINIAPP_HMAC_SECRET": MARKER, "SUPABASE_SERVICE_ROLE_KEY": f"your-{MARKER}"},
        GOOD | {"MINIAPP_HMAC_SECRET": STRONG},
        GOOD | {"TELEGRAM_SANDBOX": MARKER},
        SANDBOX | {"HOST": MARKER, "TELEGRAM_SANDBOX": MARKER},
    ],
    ids=repr,
)
def test_no_fault_shows_a_value(environment: Environment, bad: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        environment.load(bad)

    assert MARKER not in str(refused.value)
    assert MARKER not in repr(refused.value)
    assert MARKER not in str(refused.value.__context__)
    assert refused.value.__suppress_context__


def test_printing_settings_masks_every_secret(environment: Environment) -> None:
    settings = environment.load(GOOD | {"SUPABASE_ANON_KEY": MARKER})
    shown = f"{settings}{settings!r}{settings.model_dump()}{settings.model_dump_json()}"

    assert MARKER not in shown
    assert API_HASH not in shown
    assert "miniapp_hmac_secret=SecretStr('**********')" in shown


def test_settings_cannot_be_changed(environment: Environment) -> None:
    settings = environment.load(GOOD)

    with pytest.raises(ValidationError):
        settings.port = 1


def test_what_is_not_ours_is_ignored(environment: Environment) -> None:
    assert environment.load(GOOD | {"PATH": "/bin", "SETTINGS": "{}"}).port == 8080


def test_an_argument_goes_before_the_environment(environment: Environment) -> None:
    environment.load(GOOD | {"PORT": "1"})

    assert load_settings(port=2).port == 2


@pytest.mark.parametrize(("value", "engine"), [(None, "fast"), ("stock", "stock"), ("fast", "fast")])
def test_the_bridge_s_engine_is_chosen_by_runtime(
    environment: Environment, value: str | None, engine: str
) -> None:
    assert environment.load(GOOD | ({} if value is None else {"RUNTIME": value})).bridge_engine == engine


# -- the sandbox


def test_the_sandbox_needs_no_credentials(environment: Environment) -> None:
    settings = environment.load(SANDBOX)

    assert settings.telegram_sandbox == Path("sandbox.json")
    assert settings.telegram_api_hash_master is None


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


def test_json_is_not_read_out_of_a_variable(environment: Environment) -> None:
    settings = environment.load(GOOD | {"SUPABASE_URL": json.dumps({"a": 1})})

    assert settings.supabase_url == '{"a": 1}'
