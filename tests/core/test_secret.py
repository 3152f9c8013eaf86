"""Secrets: there is no way to print one by accident."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import FrozenInstanceError, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core import effects as e
from actors.core import messages as m
from actors.core.decide import decide
from actors.core.secret import Secret
from actors.core.states import PendingBot, PendingCode, PendingQr, QrToken
from actors.core.transitions import Refused
from tests.core.examples import ANNA, END, LOGIN, NOW

MARKER = "leaked!"
SECRET = Secret(MARKER)

HOLDERS = [
    SECRET,
    [SECRET],
    {"code": SECRET},
    QrToken(SECRET, NOW),
    PendingQr(LOGIN, QrToken(SECRET, NOW)),
    PendingCode(LOGIN, SECRET),
    m.StartCode("login-1", END, SECRET),
    m.StartBot("login-1", END, SECRET),
    PendingBot(LOGIN, SECRET),
    e.ImportBot(SECRET),
    m.SubmitCode("login-1", SECRET),
    m.SubmitPassword("login-1", SECRET),
    m.TokenIssued(NOW, QrToken(SECRET, NOW)),
    e.SendCode(SECRET),
    e.SignIn(SECRET),
    e.CheckPassword(SECRET),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_nothing_that_holds_a_secret_shows_it(holder: object) -> None:
    shown = f"{holder}{holder!r}{holder!s}{holder!a}" + "%s %r" % (holder, holder) + format(holder)  # noqa: UP031 - a way to print

    assert MARKER not in shown


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_nothing_that_holds_a_secret_becomes_json(holder: object) -> None:
    with pytest.raises(TypeError):
        json.dumps(holder)
    assert MARKER not in json.dumps(holder, default=str)
    assert MARKER not in json.dumps(holder, default=repr)


def test_a_secret_is_no_text_and_has_no_dict() -> None:
    with pytest.raises(TypeError):
        "code: " + SECRET  # type: ignore[operator]  # the point
    with pytest.raises(TypeError):
        vars(SECRET)
    with pytest.raises(TypeError):
        f"{SECRET:>10}"


def test_a_secret_cannot_be_exchanged() -> None:
    with pytest.raises(FrozenInstanceError):
        SECRET._value = ""  # type: ignore[misc]  # the point


def test_a_log_line_shows_stars(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("signing in with %s and %r", SECRET, m.SubmitCode("login-1", SECRET))

    assert MARKER not in caplog.text
    assert "***" in caplog.text


def test_a_refused_message_does_not_show_its_secret() -> None:
    with pytest.raises(Refused) as refused:
        decide(PendingQr(LOGIN), m.SubmitPassword("login-1", SECRET))

    assert MARKER not in f"{refused.value}{refused.value!r}{refused.value.__dict__}"


def test_a_traceback_with_all_its_variables_shows_no_secret() -> None:
    @dataclass
    class Form:
        password: Secret

    form, typed = Form(SECRET), m.SubmitPassword("login-1", SECRET)
    with pytest.raises(LookupError) as raised:
        raise LookupError(form, typed, ANNA)
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())

    assert "Form(password=Secret())" in shown
    assert shown.count(MARKER) == 0


@given(st.text())
def test_a_secret_gives_its_text_back_on_request(text: str) -> None:
    assert Secret(text).reveal() == text


@given(st.text(), st.text())
def test_secrets_are_equal_if_their_texts_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert hash(Secret(one)) == hash(Secret(one))
