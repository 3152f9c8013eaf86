"""Chain heads as text, to be kept where nobody who can write the database can write: `<tenant> <seq> <hash>` a line.

Files may be appended to for years: every head in one is compared. Lines that begin with # are for people.
"""

from __future__ import annotations

import re
from pathlib import Path

from ops.journal.chain import Head
from ops.journal.errors import CannotRun

KeptHeads = dict[str, dict[int, set[bytes]]]
"""By tenant and seq. Two hashes for one seq: the chain was rewritten between two notes of it."""

_HEAD = re.compile(r"(?P<tenant>\S+)\s+(?P<seq>[1-9][0-9]{0,18})\s+(?P<hash>[0-9a-f]{64})")


def written(tenant_id: str, head: Head) -> str:
    """A head as a line of such a file."""
    return f"{tenant_id} {head.seq} {head.hash.hex()}"


def read(path: Path) -> KeptHeads:
    """The heads in a file; raises CannotRun if it is not such a file, or holds none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"cannot read {path} ({error}): name a file that --heads wrote") from None
    kept: KeptHeads = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            tenant_id, head = _head(line, f"{path}:{number}")
            kept.setdefault(tenant_id, {}).setdefault(head.seq, set()).add(head.hash)
    if not kept:
        raise CannotRun(f"there is no head in {path}: write one with --heads first")
    return kept


def _head(line: str, place: str) -> tuple[str, Head]:
    match = _HEAD.fullmatch(line.strip())
    if match is None:
        raise CannotRun(f"{place} is no chain head: write <tenant> <seq> <hash>, as --heads does")
    return match["tenant"], Head(int(match["seq"]), bytes.fromhex(match["hash"]))
