"""Journals with a few lines, and the commands run on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ops.journal.__main__ import main
from tests.migrations.sql import act
from tests.stores import Database, run_sql

WRITE = """insert into session_journal (tenant_id, app_id, version, message, from_state, to_state, reason)
           values ($1, $2, $3, $4, $5, $6, $7) returning seq, at, hash"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def journal(database: Database) -> Database:
    """Three lines of A, two of them of one session, and two of B, one with every letter that is hard to encode."""
    for tenant, app, version, reason in (
        ("A", "one", 1, None),
        ("B", "one", 1, ""),
        ("A", "two", 1, "cancelled"),
        ("A", "one", 2, None),
        ("B", "one", 2, "日本 ' \" \\ \t \N{DOG}"),
    ):
        act(
            database, "usm_tenant", tenant, WRITE, tenant, app, version, "StartQr", None, "PENDING_QR", reason
        )
    return database


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(url, *arguments)`: the command, as somebody with this DATABASE_URL."""

    def run_command(url: str, *arguments: str) -> Ran:
        monkeypatch.setenv("DATABASE_URL", url)
        code = main(arguments)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run_command


def tamper(database: Database, *statements: str) -> None:
    """Do what only a superuser can: without the triggers, constraints gone."""
    run_sql(
        database.admin_url,
        ";".join(
            [
                "alter table session_journal disable trigger user",
                "alter table session_journal drop constraint if exists session_journal_chain",
                *statements,
            ]
        ),
    )
