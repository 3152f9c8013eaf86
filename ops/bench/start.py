"""`python -m ops.bench.start`: seconds from `ops/start --sandbox` to the QR on screen (or the login found again).

Cold is an empty data folder: databases are made, migrations run, keys are generated. Warm is the start after it.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START = str(Path(__file__).parents[1] / "start")
ROUNDS = 5
SIGNS = ("Ctrl-C stops everything", "still logged in")


def run(data: str) -> tuple[float, float]:
    """Seconds until everything is on screen, and seconds from Ctrl-C to the end."""
    began = time.perf_counter()
    command = [START, "--sandbox", "--data", data]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - stdout=PIPE
        for line in process.stdout:
            if any(sign in line for sign in SIGNS):
                break
        up = time.perf_counter() - began
        began = time.perf_counter()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    return up, time.perf_counter() - began


def main() -> None:
    """Measure cold and warm in turn, and print the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    ups: dict[str, list[float]] = {"cold": [], "warm": []}
    downs: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as data:
            for seconds in ups.values():
                up, down = run(data)
                seconds.append(up)
                downs.append(down)
    for kind, seconds in ups.items():
        print(
            f"{kind} start: median {statistics.median(seconds):.2f} s, from {min(seconds):.2f} to {max(seconds):.2f}"
        )
    print(f"stop: median {statistics.median(downs):.2f} s, at most {max(downs):.2f}")


if __name__ == "__main__":
    main()
