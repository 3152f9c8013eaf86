"""Processes that back a session up until they are killed: `python -m tests.backups.writer PLACE TIMES`.

They are forked from one that has imported everything, so that hundreds cost seconds.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from tests.backups.examples import Shelf, login

LONGEST_LIFE = 0.02


def main(place: Path, times: int) -> None:
    shelf = Shelf(place / "keys" / "keyring", place / "backups")
    shelf.back_up(login(), time.time())  # so that nothing is imported or made for the first time later
    for _ in range(times):
        child = os.fork()
        if child == 0:
            _write_for_ever(shelf)
        time.sleep(random.uniform(0, LONGEST_LIFE))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL


def _write_for_ever(shelf: Shelf) -> None:
    credential = login()
    while True:
        shelf.back_up(credential, time.time())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
