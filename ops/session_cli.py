"""`python ops/session_cli.py …`, from any folder, or `python -m ops.session_cli …`: see --help."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Run the command line."""
    from ops.control.cli import main as run  # noqa: PLC0415 - once the path is right

    return run()


if __name__ == "__main__":
    if not __package__:
        # Run as a script, Python looks for modules in the script's folder instead of in the checkout.
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.exit(main())
