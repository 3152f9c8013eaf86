"""What the launcher's terminal shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ops.launch.home import Home, Run

BANNER = """
  SANDBOX: no Telegram account, nothing leaves this computer
    real       Telethon, MTProto handshake and encryption, PostgreSQL with row level security, Valkey,
               the supervisor, its API and metrics
    simulated  Telegram's data centres (on this machine's loopback), its accounts, and the phone
"""

BLACK_ON_WHITE = "\x1b[38;5;16;48;5;231m"
PLAIN = "\x1b[0m"


def urls(run: Run, login_page: str, home: Home, *, is_sandbox: bool) -> str:
    """The places to look at, one a line. The key is in an address only where there is nothing real to open."""
    key = f"#key={run.service_key}" if is_sandbox else ""
    lines = [
        ("Login page", login_page),
        ("Operators", f"{run.api_url}/operator{key}"),
        ("API docs", f"{run.api_url}/docs"),
        ("Metrics", run.metrics_url),
        ("Data, logs", str(home.path)),
    ]
    return "\n".join(f"    {name:<11}{place}" for name, place in lines)


def qr(text: str) -> str:
    """A QR for the terminal, two modules a character, black on white whatever the terminal's own colours are."""
    import qrcode  # noqa: PLC0415 - only needed when there is one to show

    code = qrcode.QRCode(border=2)
    code.add_data(text)
    return _drawn(code.get_matrix())


def qr_of(modules: Sequence[Sequence[bool]]) -> str:
    """The same for a QR whose dark modules are known already; it gets a margin of two."""
    margin, width = [False] * 2, len(modules) + 4
    rows = [[*margin, *row, *margin] for row in modules]
    return _drawn([[False] * width, [False] * width, *rows, [False] * width, [False] * width])


def _drawn(matrix: list[list[bool]]) -> str:
    if len(matrix) % 2:
        matrix.append([False] * len(matrix[0]))
    return "\n".join(_line(upper, lower) for upper, lower in zip(matrix[::2], matrix[1::2], strict=True))


def _line(upper: Sequence[bool], lower: Sequence[bool]) -> str:
    blocks = "".join(" ▄▀█"[2 * up + low] for up, low in zip(upper, lower, strict=True))
    return f"    {BLACK_ON_WHITE}{blocks}{PLAIN}" if has_colours() else f"    {blocks}"


def has_colours() -> bool:
    """Whether to write colours: on a terminal, unless NO_COLOR asks not to (no-color.org)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Redrawn:
    """A block at the end of the screen that is drawn again in its own place. Without a terminal it is shown once."""

    def __init__(self) -> None:
        self._height = 0

    def show(self, block: str) -> None:
        """Draw it, over the one before."""
        if self._height and not sys.stdout.isatty():
            return
        if self._height:
            print(f"\x1b[{self._height}A\x1b[J", end="")
        print(block, flush=True)
        self._height = block.count("\n") + 1

    def forget(self) -> None:
        """Whatever is shown stays; the next block goes below it."""
        self._height = 0
