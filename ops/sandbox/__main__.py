"""Runs the sandbox alone: `python -m ops.sandbox --directory DIR`."""

import argparse
import asyncio
import signal
from pathlib import Path

from ops.sandbox.sandbox import TOKEN_LIFE, Sandbox


async def run(sandbox: Sandbox, directory: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with sandbox:
        places = ", ".join(f"DC {dc.id} on {dc.host}:{dc.port}" for dc in sandbox.description.dcs)
        print(f"SANDBOX ready: {places}; see {directory / 'sandbox.json'}", flush=True)
        await stop.wait()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.sandbox", description="A sandbox Telegram on loopback."
    )
    parser.add_argument("--directory", type=Path, required=True, help="where its state and sandbox.json live")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument(
        "--token-life", type=float, default=TOKEN_LIFE, help="seconds a QR token lives (default: %(default)s)"
    )
    options = parser.parse_args()
    try:
        sandbox = Sandbox(options.directory, options.host, token_life=options.token_life)
        asyncio.run(run(sandbox, options.directory))
    except (OSError, ValueError) as refusal:
        parser.exit(2, f"SANDBOX refuses to start: {refusal}\n")


if __name__ == "__main__":
    main()
