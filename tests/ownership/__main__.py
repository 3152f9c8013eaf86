"""The model check at the command line: `ops/model --help`."""

from __future__ import annotations

import argparse
import sys

from supervisor.ownership.timings import UnsafeTimings
from tests.ownership.mutants import MUTANTS, NO_LOCAL_FENCE, Mutant
from tests.ownership.scene import Scene
from tests.ownership.search import Found, TooManyStates, search
from tests.ownership.ticks import ticks


def main() -> int:
    """Check one model, or every mutant; the exit code is 1 if the answer is not the one that is hoped for."""
    parser = argparse.ArgumentParser(
        prog="ops/model", description="Check ownership through every interleaving."
    )
    parser.add_argument("--nodes", type=int, default=3, help="how many nodes share the session (default: 3)")
    parser.add_argument("--delay", type=int, default=2, help="ticks of the data centre's timer (default: 2)")
    parser.add_argument("--trust", type=int, default=1, help="ticks of the local deadline (default: 1)")
    parser.add_argument(
        "--kernel", type=int, default=1, help="ticks that a kernel tries to send (default: 1)"
    )
    parser.add_argument(
        "--silence", type=int, default=3, help="ticks before a silent node is fenced (default: 3)"
    )
    parser.add_argument("--short-by", type=int, default=0, help="ticks below the safe bound (default: 0)")
    parser.add_argument(
        "--pauses", action="store_true", help="let processes pause instead of machines freeze"
    )
    parser.add_argument(
        "--mutants", action="store_true", help="take away every rule, with two nodes, and tell"
    )
    parser.add_argument("--limit", type=int, default=10**9, help="give up beyond so many states")
    arguments = parser.parse_args()
    if arguments.mutants:
        return _mutants()
    return _model(arguments)


def _model(arguments: argparse.Namespace) -> int:
    try:
        timings = ticks(
            arguments.delay, arguments.trust, arguments.kernel, arguments.silence, short_by=arguments.short_by
        )
        scene = Scene(
            timings,
            arguments.nodes,
            machines_freeze=not arguments.pauses,
            connects_at_once=not arguments.pauses,
        )
        found = search(scene, arguments.limit)
    except (TooManyStates, UnsafeTimings) as why:
        sys.stdout.write(f"{why}\n")
        return 1
    _tell(found)
    return 0 if found.is_safe == (arguments.short_by == 0) else 1


def _tell(found: Found) -> None:
    verdict = "no connection opens beside another" if found.is_safe else "a connection opens beside another"
    sys.stdout.write(f"{verdict}: {found.states:,} states, {found.seconds:.1f} s\n")
    sys.stdout.writelines(f"{line}\n" for line in found.story or ())


def _mutants() -> int:
    survivors = 0
    for mutant in (*MUTANTS, NO_LOCAL_FENCE):
        found = _without(mutant)
        survivors += found.is_safe and mutant is not NO_LOCAL_FENCE
        sys.stdout.write(f"\nwithout the rule: {mutant.rule}\n")
        _tell(found)
    return 1 if survivors else 0


def _without(mutant: Mutant) -> Found:
    if mutant.module is None:
        return search(mutant.scene)
    before = getattr(mutant.module, mutant.function)
    setattr(mutant.module, mutant.function, mutant.by)
    try:
        return search(mutant.scene)
    finally:
        setattr(mutant.module, mutant.function, before)


if __name__ == "__main__":
    sys.exit(main())
