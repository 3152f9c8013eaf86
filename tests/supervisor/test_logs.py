"""Logs: one event is one line of JSON whatever is in it, and no secret is."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.logs import STARS, configure, redact

QR = "tg://login?token=AQIDBAUGBwgJCgsMDQ4PEBES"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
BOT_TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOpp"
PHONE = "+15550001111"
SESSION_STRING = "1" + "ApWjGm0Q_-" * 35 + "A="
SHAPES = [QR, JWT, BOT_TOKEN, PHONE, SESSION_STRING]

HARMLESS = [
    "the session did not answer in time",
    "tenant_1/app-1",
    "12:30:45",
    "2 + 2",
    "tg://resolve?domain=telegram",
    "0123456789abcdef0123456789abcdef",
    "http://127.0.0.1:8080/api/qr/status",
]


@dataclass(slots=True)
class Log:
    """What was written to standard error since the logs were configured."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def events(self) -> list[dict[str, Any]]:
        """Every line, which has to be one JSON object."""
        lines = self.text.split("\n")
        assert lines.pop() == "", "the last line ends like all others"
        events = [json.loads(line, parse_constant=_no_json) for line in lines]
        assert all(isinstance(event, dict) for event in events)
        return events


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


@contextmanager
def configured(level: str = "info", style: str = "json", *, sandbox: bool = False) -> Iterator[Log]:
    """Logs as the process has them, and afterwards everything as it was."""
    root, log = logging.getLogger(), Log()
    before = root.handlers[:], root.level, sys.stderr
    sys.stderr = log.stream
    try:
        # force=True closes the handlers it finds, and pytest still needs its own.
        root.handlers.clear()
        configure(level, style, sandbox=sandbox)
        yield log
    finally:
        root.handlers[:], root.level, sys.stderr = before
        structlog.reset_defaults()


def redacted(**values: Any) -> dict[str, Any]:
    return dict(redact(None, "info", values))


# -- redaction


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "two_fa_password",
        "MINIAPP_HMAC_SECRET",
        "qr_token",
        "code",
        "auth_key",
        "api_hash",
        "phone",
        "phone_number",
        "ticket",
        "jwt",
        "Authorization",
    ],
)
def test_what_is_named_like_a_secret_is_replaced_whatever_it_is(name: str) -> None:
    for value in ("hunter2", 12345, ["hunter2"], {"a": "hunter2"}, None):
        assert redacted(**{name: value}) == {name: STARS}
        assert redacted(request={name: value}) == {"request": {name: STARS}}
        assert redacted(requests=[{name: value}]) == {"requests": [{name: STARS}]}


@pytest.mark.parametrize("secret", SHAPES)
def test_what_looks_like_a_secret_is_replaced_wherever_it_stands(secret: str) -> None:
    class Holder:
        def __repr__(self) -> str:
            return f"<Holder {secret}>"

    event = redacted(
        event=f"seen {secret}, again {secret}",
        url=secret,
        inside={"deep": [f"a {secret} b", {"deeper": (secret,)}]},
        error=ValueError(secret),
        holder=Holder(),
        raw=secret.encode(),
        keys={secret: 1},
    )

    shown = json.dumps(event, default=repr)
    assert secret not in shown
    assert event["event"] == f"seen {STARS}, again {STARS}"


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays_readable(text: str) -> None:
    assert redacted(event=text, detail=text, inside={"list": [text]}) == {
        "event": text,
        "detail": text,
        "inside": {"list": [text]},
    }


def test_numbers_and_truths_stay_what_they_are() -> None:
    values = {"event": "x", "seconds": 1.5, "attempts": 3, "is_up": True, "reason": None}

    assert redacted(**values) == values


# -- lines


def test_an_event_is_a_line_with_level_logger_and_time() -> None:
    with configured() as log:
        structlog.get_logger("supervisor").info("child is up", child="bridge", seconds=0.1)

    (event,) = log.events()
    timestamp = event.pop("timestamp")
    assert timestamp.endswith("Z")
    assert event == {
        "event": "child is up",
        "child": "bridge",
        "seconds": 0.1,
        "level": "info",
        "logger": "supervisor",
    }


def test_a_library_s_log_looks_the_same() -> None:
    with configured() as log:
        logging.getLogger("asyncpg").warning("lost %s after %d tries", PHONE, 3)

    (event,) = log.events()
    assert (event["event"], event["level"], event["logger"]) == (
        f"lost {STARS} after 3 tries",
        "warning",
        "asyncpg",
    )


def test_a_traceback_stays_in_its_line_and_is_redacted() -> None:
    def scan() -> NoReturn:
        raise ValueError(f"cannot scan {QR}\nsecond line")

    with configured() as log:
        try:
            scan()
        except ValueError:
            structlog.get_logger("ours").exception("failed")
            logging.getLogger("theirs").exception("failed")

    ours, theirs = log.events()
    for event in (ours, theirs):
        assert "ValueError: cannot scan ***\nsecond line" in event["exception"]
    assert QR not in log.text


def test_an_error_that_is_handed_over_is_written_with_its_traceback() -> None:
    with configured() as log:
        structlog.get_logger("ours").warning("session crashed", exc_info=LookupError(JWT))

    (event,) = log.events()
    assert event["exception"] == f"LookupError: {STARS}"


def test_quiet_levels_are_not_written() -> None:
    with configured("warning") as log:
        structlog.get_logger("ours").info("unheard")
        logging.getLogger("theirs").info("unheard")
        structlog.get_logger("ours").warning("heard")

    assert [event["event"] for event in log.events()] == ["heard"]


def test_logs_that_hold_requests_are_never_written() -> None:
    with configured("debug") as log:
        logging.getLogger("telethon.network.mtprotosender").error("request with %s", QR)
        logging.getLogger("hypercorn.access").info("GET /?token=%s", QR)

    assert log.text == ""


@pytest.mark.parametrize(("sandbox", "environment"), [(True, "sandbox"), (False, None)])
def test_every_line_of_a_sandbox_says_so(sandbox: bool, environment: str | None) -> None:
    with configured(sandbox=sandbox) as log:
        structlog.get_logger("ours").info("hello")
        logging.getLogger("theirs").warning("hello")

    assert [event.get("environment") for event in log.events()] == [environment] * 2


def test_people_can_read_the_same_without_json() -> None:
    with configured(style="console") as log:
        structlog.get_logger("ours").info("child is up", child="bridge", password="hunter2")

    assert "child is up" in log.text
    with pytest.raises(ValueError):  # noqa: PT011 - no line of it is JSON
        log.events()
    assert "hunter2" not in log.text


hostile = st.text(max_size=40) | st.sampled_from(
    [
        '"}\n{"event": "forged"}',
        "\r\n",
        "\u2028\u2029",
        "\x00\x1b[31m",
        "\ud800",
        "%s %d",
        "{0}",
        '\\"',
        *SHAPES,
    ]
)
hostile_values = st.recursive(
    hostile | st.binary(max_size=9) | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(hostile, hostile_values)
def test_one_event_is_one_line_of_json_whatever_is_in_it(text: str, value: object) -> None:
    with configured() as log:
        structlog.get_logger("ours").warning(text, detail=value)
        logging.getLogger("theirs").warning("%s", text)

    ours, theirs = log.events()
    assert {ours["logger"], theirs["logger"]} == {"ours", "theirs"}
    for secret in SHAPES:
        assert secret not in log.text
