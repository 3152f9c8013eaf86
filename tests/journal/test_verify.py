"""`python -m ops.journal verify`: whatever was done to a journal is found, named by tenant and seq."""

import re
import secrets
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from ops.journal import verify
from tests.journal.conftest import Run, tamper
from tests.migrations.sql import act, query
from tests.stores import Database, run_sql, url_for

REHASH = """do $$ declare line session_journal; previous bytea; begin
    for line in select * from session_journal where tenant_id = 'A' order by seq loop
        previous := usm.journal_hash(previous, line);
        update session_journal set hash = previous where tenant_id = 'A' and seq = line.seq;
    end loop; end $$"""
"""What somebody does who knows how the chain is made."""

CHANGES = {
    "app_id": "'forged'",
    "version": "99",
    "at": "at + interval '1 microsecond'",
    "message": "'SignedIn'",
    "from_state": "''",
    "to_state": "'AUTHORIZED'",
    "reason": "coalesce(reason, '') || 'forged'",
}


def test_an_untouched_journal_is_whole(journal: Database, run: Run) -> None:
    for url in (journal.app_url, journal.admin_url):
        ran = run(url, "verify")
        assert (ran.code, ran.out, ran.err) == (0, "ok: 5 lines, 2 chains\n", "")


def test_an_empty_journal_is_whole(database: Database, run: Run) -> None:
    assert run(database.app_url, "verify").out == "ok: 0 lines, 0 chains\n"


@pytest.mark.parametrize("column", CHANGES)
@pytest.mark.parametrize("seq", [1, 2, 3])
def test_a_changed_line_is_named(journal: Database, run: Run, column: str, seq: int) -> None:
    change = f"{column} = {CHANGES[column]} where tenant_id = 'A' and seq = {seq}"
    tamper(journal, f"update session_journal set {change}")  # noqa: S608 - constants

    ran = run(journal.app_url, "verify")

    assert ran.code == 1
    assert re.findall(r"tenant (\w+) seq (\d+): (\w+)", ran.out) == [("A", str(seq), "changed")]
    assert ran.out.endswith("TAMPERED: 1 of 2 chains; 5 lines read\n")


def test_every_field_of_a_line_is_covered(journal: Database) -> None:
    columns = {
        row[0]
        for row in query(
            journal.admin_url,
            "select column_name::text from information_schema.columns where table_name = 'session_journal'",
        )
    }
    assert columns == {*CHANGES, "tenant_id", "seq", "hash"}


@pytest.mark.parametrize(
    ("deed", "found"),
    {
        "a null became an empty text": (
            "update session_journal set reason = '' where tenant_id = 'A' and seq = 1",
            [("1", "changed")],
        ),
        "a letter moved to the next field": (
            "update session_journal set message = 'StartQ', from_state = 'r' where tenant_id = 'A' and seq = 1",
            [("1", "changed")],
        ),
        "a hash was changed": (
            "update session_journal set hash = sha256('') where tenant_id = 'A' and seq = 2",
            [("2", "changed"), ("3", "changed")],
        ),
        "a line and its own hash were changed": (
            """update session_journal set reason = 'forged' where tenant_id = 'A' and seq = 2;
               update session_journal line set hash = usm.journal_hash(
                   (select hash from session_journal where tenant_id = 'A' and seq = 1), line)
                where tenant_id = 'A' and seq = 2""",
            [("3", "changed")],
        ),
        "a line was removed": (
            "delete from session_journal where tenant_id = 'A' and seq = 2",
            [("2", "missing")],
        ),
        "the first line was removed": (
            "delete from session_journal where tenant_id = 'A' and seq = 1",
            [("1", "missing")],
        ),
        "a line was removed and the gap closed": (
            """delete from session_journal where tenant_id = 'A' and seq = 2;
               update session_journal set seq = 2 where tenant_id = 'A' and seq = 3""",
            [("2", "changed")],
        ),
        "a line was inserted": (
            """insert into session_journal select tenant_id, 'forged', 1, at, message, from_state, to_state, reason,
                   seq, hash from session_journal where tenant_id = 'A' and seq = 2""",
            [("2", "changed"), ("2", "inserted")],
        ),
        "a line was appended with a made-up hash": (
            """insert into session_journal select tenant_id, 'forged', 1, at, message, from_state, to_state, reason,
                   4, hash from session_journal where tenant_id = 'A' and seq = 3""",
            [("4", "changed")],
        ),
        "two lines changed places": (
            "update session_journal set seq = 5 - seq where tenant_id = 'A' and seq in (2, 3)",
            [("2", "changed"), ("3", "changed")],
        ),
        "seq and hash were erased": (
            """alter table session_journal alter column seq drop not null, alter column hash drop not null;
               update session_journal set seq = null, hash = null where tenant_id = 'A' and seq = 3""",
            [("0", "inserted")],
        ),
        "the time is one that no calendar has": (
            "update session_journal set at = 'infinity' where tenant_id = 'A' and seq = 3",
            [("3", "changed")],
        ),
    }.values(),
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_was_done_to_a_chain_is_found(
    journal: Database, run: Run, deed: str, found: list[tuple[str, str]]
) -> None:
    tamper(journal, deed)

    ran = run(journal.app_url, "verify")

    assert ran.code == 1
    told = re.findall(r"tenant A seq (\d+): (\w+)", ran.out)
    assert [pair for pair in told if pair in found] == told
    assert {seq for seq, _ in told} >= {seq for seq, _ in found[:1]}
    assert "tenant B" not in ran.out


def test_a_line_that_was_given_to_another_tenant_is_missed_here_and_found_there(
    journal: Database, run: Run
) -> None:
    tamper(
        journal,
        "update session_journal set tenant_id = 'B', seq = 3, app_id = 'x' where tenant_id = 'A' and seq = 2",
    )

    ran = run(journal.app_url, "verify")

    assert re.findall(r"tenant (\w+) seq (\d+): (\w+)", ran.out) == [
        ("A", "2", "missing"),
        ("B", "3", "changed"),
    ]


def test_of_a_chain_with_many_findings_the_first_are_told_and_the_rest_counted(
    database: Database, run: Run
) -> None:
    _fill(database, 100)
    tamper(database, "update session_journal set reason = 'forged'")

    ran = run(database.app_url, "verify")

    assert ran.out.count("changed") == verify.SHOWN
    assert f"and {100 - verify.SHOWN} findings more" in ran.out


def test_one_tenants_chain_can_be_verified_alone(journal: Database, run: Run) -> None:
    tamper(journal, "update session_journal set reason = 'forged' where tenant_id = 'A' and seq = 2")

    assert run(journal.app_url, "verify", "--tenant", "A").code == 1
    assert run(journal.app_url, "verify", "--tenant", "B").out == "ok: 2 lines, 1 chains\n"


# -- heads that somebody keeps


@pytest.fixture
def kept(journal: Database, run: Run, tmp_path: Path) -> Path:
    """The heads of the journal, kept in a file."""
    ran = run(journal.app_url, "verify", "--heads")
    assert (ran.code, ran.err) == (0, "ok: 5 lines, 2 chains\n")
    file = tmp_path / "heads.txt"
    file.write_text(ran.out)
    return file


def test_the_heads_are_those_of_the_database(journal: Database, kept: Path) -> None:
    rows = query(
        journal.admin_url,
        """select distinct on (tenant_id) tenant_id || ' ' || seq || ' ' || encode(hash, 'hex')
             from session_journal order by tenant_id, seq desc""",
    )
    assert kept.read_text().splitlines() == [row[0] for row in rows]


def test_a_journal_that_grew_still_leads_to_the_heads(journal: Database, run: Run, kept: Path) -> None:
    _fill(journal, 10)
    assert run(journal.app_url, "verify", "--against", str(kept)).code == 0


def test_a_tail_that_was_cut_off_is_found_only_by_a_head(journal: Database, run: Run, kept: Path) -> None:
    tamper(journal, "delete from session_journal where tenant_id = 'A' and seq = 3")

    assert run(journal.app_url, "verify").code == 0
    ran = run(journal.app_url, "verify", "--against", str(kept))
    assert ran.code == 1
    assert "tenant A seq 3: cut off: seq 3 was kept outside, seq 2 is last" in ran.out


def test_a_chain_that_was_rewritten_is_found_only_by_a_head(journal: Database, run: Run, kept: Path) -> None:
    tamper(journal, "update session_journal set reason = 'forged' where tenant_id = 'A' and seq = 1", REHASH)

    assert run(journal.app_url, "verify").code == 0
    ran = run(journal.app_url, "verify", "--against", str(kept))
    assert ran.code == 1
    assert "tenant A seq 3: rewritten" in ran.out


def test_a_tenant_whose_every_line_is_gone_is_found_only_by_a_head(
    journal: Database, run: Run, kept: Path
) -> None:
    tamper(journal, "delete from session_journal where tenant_id = 'A'")

    assert run(journal.app_url, "verify").code == 0
    for narrowed in ([], ["--tenant", "A"]):
        ran = run(journal.app_url, "verify", "--against", str(kept), *narrowed)
        assert ran.code == 1
        assert "tenant A seq 1: cut off: seq 3 was kept outside, seq 0 is last" in ran.out


def test_a_file_of_many_years_is_compared_head_by_head(journal: Database, run: Run, kept: Path) -> None:
    _fill(journal, 10)
    kept.write_text(
        "# 2026\n" + kept.read_text() + "\n# 2027\n" + run(journal.app_url, "verify", "--heads").out
    )
    assert run(journal.app_url, "verify", "--against", str(kept)).code == 0

    tamper(journal, "update session_journal set reason = 'forged' where tenant_id = 'A' and seq = 9", REHASH)
    ran = run(journal.app_url, "verify", "--against", str(kept))
    assert re.findall(r"tenant A seq (\d+): (\w+)", ran.out) == [("13", "rewritten")]


def test_no_head_of_a_broken_chain_is_given_out(journal: Database, run: Run) -> None:
    tamper(journal, "update session_journal set reason = 'forged' where tenant_id = 'A' and seq = 2")

    ran = run(journal.app_url, "verify", "--heads")

    assert ran.code == 1
    assert [line.split()[0] for line in ran.out.splitlines()] == ["B"]
    assert "tenant A seq 2: changed" in ran.err


@pytest.mark.parametrize(
    "content", ["", "# nothing\n", "A 1", "A 0 " + "0" * 64, "A 1 " + "g" * 64, "\udce9"]
)
def test_a_file_that_holds_no_heads_is_refused(
    journal: Database, run: Run, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "heads.txt"
    file.write_text(content, errors="surrogateescape")

    ran = run(journal.app_url, "verify", "--against", str(file))

    assert (ran.code, ran.out) == (2, "")
    assert str(file) in ran.err
    assert run(journal.app_url, "verify", "--against", str(tmp_path / "none")).code == 2


# -- what is not the journal's fault


def test_a_login_that_would_be_shown_nothing_is_refused_instead_of_satisfied(
    journal: Database, run: Run
) -> None:
    """Else an owner whom the policies show no rows would hear that all is well."""
    name = f"usm_outsider_{secrets.token_hex(4)}"
    run_sql(journal.admin_url, f"create role {name} login password 'outsider'")
    try:
        ran = run(url_for(journal.admin_url, database=journal.name, user=name, password="outsider"), "verify")
    finally:
        run_sql(journal.admin_url, f"drop role {name}")

    assert (ran.code, ran.out) == (2, "")
    assert "may not read the journal" in ran.err


def test_what_keeps_the_command_from_running_is_not_called_tampering(
    journal: Database, bare_database: str, run: Run
) -> None:
    for url, sentence in {
        "postgresql://usm_app:s3cret@/none?host=/nonexistent": "check DATABASE_URL",
        "postgresql://usm_app:s3cret@host:s3cret/none": "check DATABASE_URL",
        bare_database: r"python -m ops\.migrate",
    }.items():
        ran = run(url, "verify")
        assert (ran.code, ran.out) == (2, "")
        assert re.search(sentence, ran.err)
        assert "s3cret" not in ran.err
    assert run(journal.app_url, "verify", "--tenant", "nobody").code == 2
    assert run(journal.app_url, "verify", "--no-such-option").code == 2


def test_a_mistake_of_the_command_itself_is_not_called_tampering(
    journal: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.journal.__main__.count", None)
    assert run(journal.app_url, "verify").code == 2


def test_a_password_on_the_command_line_is_warned_of(journal: Database, run: Run) -> None:
    ran = run("", "verify", f"--database-url={journal.app_url}")
    assert ran.code == 0
    assert "put it into DATABASE_URL" in ran.err


def test_the_exit_code_is_that_of_the_process(journal: Database) -> None:
    def process(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "ops.journal", *arguments],
            env={"DATABASE_URL": journal.app_url},
            capture_output=True,
            text=True,
            check=False,
        )

    assert process("verify").returncode == 0
    assert process("verify", "--help").stdout.count("python -m ops.journal verify") > 2
    tamper(journal, "update session_journal set reason = 'forged'")
    assert process("verify").returncode == 1
    assert process("bogus").returncode == 2


def test_a_long_journal_needs_no_more_memory_than_a_short_one(database: Database, run: Run) -> None:
    def peak() -> int:
        tracemalloc.start()
        ran = run(database.app_url, "verify")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert ran.code == 0
        return most

    _fill(database, 5_000)
    short = peak()
    _fill(database, 25_000, app="more")
    assert peak() < 1.3 * short


def _fill(database: Database, lines: int, app: str = "filled") -> None:
    act(
        database,
        "usm_tenant",
        "A",
        """insert into session_journal (tenant_id, app_id, version, message, to_state)
           select 'A', $2, version, 'StartQr', 'PENDING_QR' from generate_series(1, $1::int) version""",
        lines,
        app,
    )
