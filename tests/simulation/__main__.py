"""The simulation at the command line: `ops/simulate --help`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.run import RuleBroken, simulate


def main() -> int:
    """Run seed after seed; the exit code is 1 if any of them broke a rule."""
    parser = argparse.ArgumentParser(
        prog="ops/simulate", description="Run the whole supervisor in virtual time."
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument(
        "--seeds", type=int, default=1, help="how many seeds, one after the other (default: 1)"
    )
    parser.add_argument("--sessions", type=int, default=1000, help="sessions in each run (default: 1000)")
    parser.add_argument("--hours", type=float, default=3.0, help="virtual hours of trouble (default: 3)")
    parser.add_argument("--counts", action="store_true", help="tell how often everything happened")
    parser.add_argument("--trace", action="store_true", help="tell everything that happens, line by line")
    arguments = parser.parse_args()
    failures = 0
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        failures += not _told(seed, arguments)
    return 1 if failures else 0


def _told(seed: int, arguments: argparse.Namespace) -> bool:
    show = sys.stdout.write if arguments.trace else None
    began = time.monotonic()
    try:
        outcome = simulate(seed, arguments.sessions, arguments.hours, show)
    except RuleBroken as broken:
        sys.stdout.write(f"seed {seed}: {broken}\n")
        return False
    sys.stdout.write(f"seed {seed}: {outcome.trace[:16]} in {time.monotonic() - began:.1f} s\n")
    if arguments.counts:
        sys.stdout.writelines(f"  {many:8} {what}\n" for what, many in sorted(outcome.counts.items()))
    return True


if __name__ == "__main__":
    sys.exit(main())
