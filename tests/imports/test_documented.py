"""The commands of ops/docs/migration.md, run as they stand there: they say what the page says they do."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from actors.adapters.keyring import add_key
from tests.imports.makers import Made, key_bytes, pyrogram, pyrogram_string, telethon
from tests.stores import Database

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "ops" / "docs" / "migration.md"


def numbered(number: int) -> Made:
    return Made(key=key_bytes(number), account_id=7000000000 + number)


def make_folder(base: Path) -> None:
    """One file for each thing that the page shows."""
    telethon(base / "tenant1" / "app1.session", 8, numbered(1))
    telethon(base / "tenant1" / "old.session", 5, numbered(2))
    pyrogram(base / "tenant1" / "bot.session", "kurigram 7", numbered(3))
    for moment, name in enumerate(("copy1", "copy2")):
        path = telethon(base / "tenant2" / f"{name}.session", 8, numbered(4))
        os.utime(path, (moment, moment))
    telethon(base / "+49 151.session", 8, numbered(5))
    (base / "spare.string").write_text(pyrogram_string(made=numbered(6)))
    (base / "tenant2" / "cut.session").write_bytes((base / "tenant1" / "app1.session").read_bytes()[:9000])


def commands() -> list[tuple[str, str]]:
    """Each command of the page's consoles, and what the page says that it prints."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def test_the_documented_commands_print_what_the_page_shows(
    database: Database, redis_url: str, base: Path, tmp_path: Path
) -> None:
    make_folder(base)
    add_key(tmp_path / "keyring", "first")
    whose = re.findall(r"```text\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    (tmp_path / "whose.csv").write_text(whose[-1])
    real = {
        "/app/sessions": str(base),
        "postgresql://user:pass@localhost/db": database.app_url,
        "redis://localhost:6379": redis_url,
    }
    environment = {
        "PATH": os.environ["PATH"],
        "COLUMNS": "160",
        "DATABASE_URL": database.app_url,
        "BACKUP_ENCRYPTION_KEY_PATH": str(tmp_path / "keyring"),
    }

    assert len(commands()) == 3
    for command, expected in commands():
        python, script, *words = shlex.split(command)
        assert python == "python"
        done = subprocess.run(
            [sys.executable, str(ROOT / script), *(real.get(word, word) for word in words)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert [line.rstrip() for line in done.stdout.splitlines()] == expected.rstrip("\n").split("\n"), (
            command
        )
