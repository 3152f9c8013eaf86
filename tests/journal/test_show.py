"""`python -m ops.journal show`: what a tenant's sessions went through, for people."""

import re

from tests.journal.conftest import Run, tamper
from tests.stores import Database


def test_a_tenants_lines_are_shown_in_order_and_nobody_elses(journal: Database, run: Run) -> None:
    ran = run(journal.app_url, "show", "--tenant", "A")

    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [re.split(r"\s{2,}", line.strip())[0] for line in lines] == ["1", "2", "3"]
    assert re.fullmatch(
        r" +2  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}Z  two v1  - → PENDING_QR  StartQr  cancelled", lines[1]
    )


def test_one_sessions_lines_are_shown_alone(journal: Database, run: Run) -> None:
    ran = run(journal.app_url, "show", "--tenant", "A", "--app", "one")

    assert [line.split()[0] for line in ran.out.splitlines()] == ["1", "3"]


def test_a_tenant_without_lines_has_none_to_show(journal: Database, run: Run) -> None:
    ran = run(journal.app_url, "show", "--tenant", "a")

    assert (ran.code, ran.out, ran.err) == (0, "", "no lines\n")


def test_a_line_cannot_play_tricks_on_the_terminal(journal: Database, run: Run) -> None:
    tamper(
        journal,
        r"update session_journal set reason = E'\x1b[2J\n' where tenant_id = 'B' and seq = 1",
        "update session_journal set at = 'infinity' where tenant_id = 'B' and seq = 2",
    )

    ran = run(journal.app_url, "show", "--tenant", "B")

    assert r"\x1b[2J\n" in ran.out
    assert len(ran.out.splitlines()) == 2
    assert "µs since 2000" in ran.out
