"""`python -m ops.openapi`: write ops/docs/openapi.json anew, from the table of routes. A test compares both."""

from __future__ import annotations

import json
from pathlib import Path

from api.openapi import document

FILE = Path(__file__).parent / "docs" / "openapi.json"


def text() -> str:
    """The document as it is committed: its version is the package's, its lines are for people who read diffs."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
