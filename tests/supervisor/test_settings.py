"""Settings: every fault is named at once, and no value ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from supervisor.settings import SettingsError, load_settings
from tests.supervisor.environment import API_HASH, GOOD, KEYRING, MARKER, OTHER, SANDBOX, STRONG, Environment


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
    assert (settings.environment, settings.credential_grace_days) == ("production", 7)
    assert settings.backup_encryption_key_path == KEYRING


def test_an_empty_environment_is_told_everything_at_once(environment: Environment) -> None:
    faults = environment.faults({})

    for name in GOOD:
        assert any(name in fault and "missing" in fault for fault in faults), name
    assert len(faults) == len(GOOD) - 1  # Telegram's two belong together
    assert "TELEGRAM_API_ID_MASTER and TELEGRAM_API_HASH_MASTER are missing" in faults[-1]


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
    values = GOOD | {name: ("abcdef" * 6)[:length]}

    if is_enough:
        environment.load(values)
    else:
        (fault,) = environment.faults(values)
        assert fault.startswith(f"{name} is shorter than 32 bytes; ")


@pytest.mark.parametrize("name", ["SUPABASE_SERVICE_ROLE_KEY", "MINIAPP_HMAC_SECRET", "SUPABASE_JWT_SECRET"])
def test_a_secret_of_few_different_characters_is_refused(environment: Environment, name: str) -> None:
    (fault,) = environment.faults(GOOD | {name: "abcde" * 10})

    assert fault == f"{name} is too simple; make one with: openssl rand -hex 32"


def test_the_next_secret_must_differ_from_the_present_ones(environment: Environment) -> None:
    for other in ("SUPABASE_SERVICE_ROLE_KEY", "MINIAPP_HMAC_SECRET"):
        (fault,) = environment.faults(GOOD | {"MINIAPP_HMAC_SECRET_NEXT": GOOD[other]})
        assert fault == f"{other} and MINIAPP_HMAC_SECRET_NEXT must differ"


def test_bots_are_read_with_their_tenants(environment: Environment) -> None:
    bots = environment.load(GOOD | {"MINIAPP_BOTS": "7342037359=acme, 7000000001=other"}).miniapp_bots

    assert bots == {7342037359: "acme", 7000000001: "other"}


@pytest.mark.parametrize("value", ["acme", "12345=", "=acme", "12345=../x", "1234\u0665=acme", "12345=a,"])
def test_bots_that_cannot_be_read_are_refused(environment: Environment, value: str) -> None:
    (fault,) = environment.faults(GOOD | {"MINIAPP_BOTS": value})

    assert fault == "MINIAPP_BOTS should be <bot id>=<tenant>[,…], for 16 bots at most"


def test_a_bots_token_wants_its_bot_to_be_named(environment: Environment) -> None:
    token = f"7342037359:{'A' * 35}"
    (fault,) = environment.faults(GOOD | {"TELEGRAM_BOT_TOKEN": token})
    assert fault.startswith("TELEGRAM_BOT_TOKEN is of a bot that MINIAPP_BOTS does not name")
    (fault,) = environment.faults(GOOD | {"TELEGRAM_BOT_TOKEN": MARKER})
    assert fault == "TELEGRAM_BOT_TOKEN is no bot's token; @BotFather shows it"

    both = GOOD | {"TELEGRAM_BOT_TOKEN": token, "MINIAPP_BOTS": "7342037359=acme"}
    assert environment.load(both).telegram_bot_token is not None


def test_two_secrets_must_differ(environment: Environment) -> None:
    same = GOOD | {"MINIAPP_HMAC_SECRET": STRONG}

    assert environment.faults(same) == ["SUPABASE_SERVICE_ROLE_KEY and MINIAPP_HMAC_SECRET must differ"]
    assert len(environment.faults(same | {"PORT": "eighty"})) == 2


@pytest.mark.parametrize("name", ["SUPABASE_SERVICE_ROLE_KEY", "MINIAPP_HMAC_SECRET"])
@pytest.mark.parametrize("other", ["SUPABASE_ANON_KEY", "SUPABASE_JWT_SECRET"])
def test_what_others_know_is_none_of_our_secrets(environment: Environment, name: str, other: str) -> None:
    """Every browser has the anon key: as the service's it would let everybody do everything."""
    (fault,) = environment.faults(GOOD | {other: GOOD[name]})

    assert fault in {f"{other} and {name} must differ", f"{name} and {other} must differ"}


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
        ("SESSION_LOCK_TTL", "301"),
        ("CONNECTS_PER_SECOND", "0"),
        ("CONNECTS_PER_SECOND", "1001"),
        ("BACKUP_RETENTION_DAYS", "0"),
        ("CREDENTIAL_GRACE_DAYS", "-1"),
        ("CREDENTIAL_GRACE_DAYS", "366"),
        ("ENVIRONMENT_NAME", "sandbox"),
        ("ENVIRONMENT_NAME", "a b"),
        ("ENVIRONMENT_NAME", "-a"),
        ("ENVIRONMENT_NAME", "a" * 33),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("METRICS_PORT", "-1"),
        ("METRICS_PORT", "65536"),
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
)
def test_no_fault_shows_a_value(environment: Environment, bad: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        environment.load(bad)

    assert MARKER not in str(refused.value)
    assert MARKER not in repr(refused.value)
    assert MARKER not in str(refused.value.__context__)
    assert refused.value.__suppress_context__


def test_a_keyring_that_cannot_be_used_is_told_with_all_other_faults(
    environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "keyring"
    bad = without("REDIS_URL") | {"BACKUP_ENCRYPTION_KEY_PATH": str(path), "PORT": "eighty"}

    missing, port, redis = environment.faults(bad)
    assert missing == (
        f"BACKUP_ENCRYPTION_KEY_PATH: there is no keyring at {path}; make one with: python -m ops.keys add {path}"
    )
    assert (port.split()[0], redis.split()[0]) == ("PORT", "REDIS_URL")

    path.write_text(f"first {MARKER}\n")
    path.chmod(0o600)
    assert "is not a name and 32 bytes in base64" in environment.faults(bad)[0]
    path.write_bytes(KEYRING.read_bytes())
    path.chmod(0o644)
    assert environment.faults(bad)[0].endswith(f"is open to others; close it with: chmod 600 {path}")
    path.chmod(0o600)
    assert len(environment.faults(bad)) == 2


def test_backups_lie_beside_the_session_files_unless_a_place_is_named(environment: Environment) -> None:
    assert environment.load(GOOD).backups_folder == Path("/app/backups")
    named = environment.load(GOOD | {"BACKUPS_PATH": "/mnt/other/disk", "BACKUP_EVERY_HOURS": "6"})

    assert (named.backups_folder, named.backup_every_hours) == (Path("/mnt/other/disk"), 6.0)


@pytest.mark.parametrize("inside", ["/app/sessions", "/app/sessions/backups", "/app/backups/../sessions/x"])
def test_backups_among_the_session_files_are_refused(environment: Environment, inside: str) -> None:
    [fault] = environment.faults(GOOD | {"BACKUPS_PATH": inside})

    assert fault.startswith("BACKUPS_PATH lies within SESSIONS_BASE_PATH; name a folder elsewhere")


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


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("TELEGRAM_API_ID_MASTER", 1, 2**31),
        ("MINIAPP_TIMESTAMP_TOLERANCE", 30, 3600),
        ("QR_TICKET_TTL", 60, 600),
        ("SESSION_LOCK_TTL", 10, 300),
        ("CONNECTS_PER_SECOND", 1, 1000),
        ("BACKUP_RETENTION_DAYS", 1, 3650),
        ("CREDENTIAL_GRACE_DAYS", 0, 365),
        ("PORT", 0, 65535),
        ("METRICS_PORT", 0, 65535),
    ],
)
def test_a_value_at_its_bounds_is_taken(environment: Environment, name: str, least: int, most: int) -> None:
    for value in (least, most):
        assert getattr(environment.load(GOOD | {name: str(value)}), name.lower()) == value


def test_json_is_not_read_out_of_a_variable(environment: Environment) -> None:
    settings = environment.load(GOOD | {"SUPABASE_URL": json.dumps({"a": 1})})

    assert settings.supabase_url == '{"a": 1}'
