"""How far the reading is, on stderr: a bar on a terminal, elsewhere a line for every million."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

_EACH = 1000
_EACH_WITHOUT_TERMINAL = 1_000_000


@contextmanager
def shown_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Gives what is to be told the number of lines read."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done: _say(console, done, total)
        return
    columns = ("verifying", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(done: int) -> None:
            if done % _EACH == 0:
                bar.update(task, completed=done)

        yield advance


def _say(console: Console, done: int, total: int) -> None:
    if done % _EACH_WITHOUT_TERMINAL == 0:
        console.print(f"verified {done:,} of {total:,} lines", highlight=False)
