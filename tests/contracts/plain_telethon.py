"""`python -m tests.contracts.plain_telethon FILE`: a program of somebody else's that opens a session with Telethon.

Prints `open` and the auth key's first bytes, or `refused` and why; then holds the file open until its standard input
ends. Nothing here is ours: it is what a script on an operator's laptop does.
"""

from __future__ import annotations

import sqlite3
import sys

from telethon.sessions import SQLiteSession


def main() -> None:
    try:
        session = SQLiteSession(sys.argv[1])
    except sqlite3.OperationalError as error:
        say(f"refused {error}")
        return
    begins = session.auth_key.key[:8].hex() if session.auth_key else "nothing"
    say(f"open {begins}")
    sys.stdin.read()


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - whoever started us reads it


if __name__ == "__main__":
    main()
