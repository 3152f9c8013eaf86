"""The simulation of many nodes at the command line: `ops/simulate-nodes --help`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from multiprocessing import Pool
from typing import NamedTuple

from tests.nodes.mutants import MUTANTS
from tests.nodes.run import SECONDS, simulate
from tests.simulation.run import RuleBroken


class Told(NamedTuple):
    """One seed's run: what was wrong, or nothing, and how often everything happened."""

    seed: int
    wrong: str
    counts: Counter[str]


def main() -> int:
    """Run seed after seed; the exit code is 1 if any of them broke a rule."""
    parser = argparse.ArgumentParser(
        prog="ops/simulate-nodes", description="Run two to five supervisors in virtual time."
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds (default: 1)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="virtual seconds of trouble in each")
    parser.add_argument("--workers", type=int, default=2, help="how many processes side by side (default: 2)")
    parser.add_argument("--counts", action="store_true", help="tell how often everything happened")
    parser.add_argument("--trace", action="store_true", help="tell everything that happens, line by line")
    parser.add_argument(
        "--mutants", action="store_true", help="take rules away, and tell which seed finds it"
    )
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    if arguments.mutants:
        return _hunt(seeds)
    if arguments.trace:
        return bool(_one(seeds[0], arguments.seconds, trace=True).wrong)
    return _many(seeds, arguments)


def _many(seeds: range, arguments: argparse.Namespace) -> int:
    began, failures, counts = time.monotonic(), 0, Counter[str]()
    with Pool(arguments.workers) as pool:
        pairs = ((seed, arguments.seconds) for seed in seeds)
        for told in pool.imap_unordered(_one_of, pairs, chunksize=4):
            failures += bool(told.wrong)
            counts += told.counts
            if told.wrong:
                sys.stdout.write(f"seed {told.seed}: {told.wrong}\n")
                sys.stdout.flush()
    took = time.monotonic() - began
    sys.stdout.write(f"{len(seeds)} runs, {failures} broke a rule, in {took:.0f} s\n")
    if arguments.counts:
        sys.stdout.writelines(f"  {many:9} {what}\n" for what, many in sorted(counts.items()))
    return 1 if failures else 0


def _one_of(pair: tuple[int, float]) -> Told:
    return _one(*pair)


def _one(seed: int, seconds: float, *, trace: bool = False) -> Told:
    try:
        outcome = simulate(seed, seconds, sys.stdout.write if trace else None)
    except (RuleBroken, ExceptionGroup) as broken:
        if trace:
            sys.stdout.write(f"{broken!r}\n")
        return Told(seed, str(broken), Counter())
    return Told(seed, "", outcome.counts)


def _hunt(seeds: Iterable[int]) -> int:
    """The exit code is 1 if any mutant is not found."""
    survivors = 0
    with Pool(2) as pool:
        for mutant, seed, story in pool.imap(_found, [(number, seeds) for number in range(len(MUTANTS))]):
            survivors += seed is None
            sys.stdout.write(f"{mutant}: {'not found' if seed is None else f'seed {seed}'}\n    {story}\n")
            sys.stdout.flush()
    return 1 if survivors else 0


def _found(hunt: tuple[int, Iterable[int]]) -> tuple[str, int | None, str]:
    number, seeds = hunt
    mutant = MUTANTS[number]
    for seed in seeds:
        try:
            simulate(seed, breaking=mutant.breaking)
        except RuleBroken as broken:
            return mutant.rule, seed, str(broken).splitlines()[0]
    return mutant.rule, None, ""


if __name__ == "__main__":
    sys.exit(main())
