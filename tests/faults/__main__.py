"""`python -m tests.faults --kills 500`: kill that many writers of a session file, and count what is unusable."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.killing import kill_writers


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="ops/crash", description="Kill writers of a session file at any moment."
    )
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="repeats the moments, as far as it can"
    )
    parser.add_argument("--folder", type=Path, help="a disk to do it on; by default that of temporary files")
    asked = parser.parse_args()
    began = time.monotonic()
    say(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory(prefix="usm-crash-", dir=asked.folder) as folder:
        for tally in kill_writers(asked.kills, Path(folder), asked.seed):
            if tally.kills % 50 == 0 or tally.kills == asked.kills:
                say(f"{time.monotonic() - began:5.0f} s  {tally}")
    return 1 if tally.unusable or tally.lost or tally.unswept else 0


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is a command


if __name__ == "__main__":
    sys.exit(main())
