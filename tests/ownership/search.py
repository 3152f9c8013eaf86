"""Breadth first through every state of a model; a connection beside another is told as a story."""

from __future__ import annotations

import re
from dataclasses import dataclass
from time import monotonic

from tests.ownership.scene import Scene
from tests.ownership.world import Model, State

NAMES = "ABC"


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. `story` is None if no connection ever opens beside another."""

    states: int
    hosts: int
    seconds: float
    story: tuple[str, ...] | None

    @property
    def is_safe(self) -> bool:
        return self.story is None


class TooManyStates(Exception):
    """The search was given up, with nothing found."""


def search(scene: Scene, limit: int = 10**9) -> Found:
    """Explore all; a shortest story if there is one. Raises TooManyStates beyond `limit`."""
    began = monotonic()
    model = Model(scene)
    start = model.start()
    came_from: dict[State, tuple[State, int] | None] = {start: None}
    frontier = [start]
    while frontier:
        following: list[State] = []
        for state in frontier:
            for index, (_, _, after, is_bad) in enumerate(model.successors(state)):
                if is_bad:
                    story = _story(model, came_from, state, index)
                    return Found(len(came_from), len(model.known), monotonic() - began, story)
                turned = model.canonical(after)
                if turned not in came_from:
                    came_from[turned] = (state, index)
                    following.append(turned)
        if len(came_from) > limit:
            raise TooManyStates(f"more than {limit} states")
        frontier = following
    return Found(len(came_from), len(model.known), monotonic() - began, None)


def _story(
    model: Model, came_from: dict[State, tuple[State, int] | None], last: State, index: int
) -> tuple[str, ...]:
    steps = [index]
    state = last
    while (before := came_from[state]) is not None:
        state, index = before
        steps.append(index)
    return tuple(_told(model, state, steps[::-1]))


def _told(model: Model, state: State, steps: list[int]) -> list[str]:
    """The states turn the machines around; their names must not."""
    names = list(NAMES[: model.scene.nodes])
    lines: list[str] = []
    tick = 0
    for index in steps:
        what, which, after, is_bad = list(model.successors(state))[index]
        tick += which < 0
        lines.append(
            f"{tick:3}  {_sentence(what, which, names)}" + ("   <- beside another" if is_bad else "")
        )
        turned = model.canonical(after)
        if turned != after:
            by = next(by for by in range(len(names)) if model.turned_by(after, by) == turned)
            names = names[by:] + names[:by]
        state = turned
    return lines


def _sentence(what: str, which: int, names: list[str]) -> str:
    if which < 0:
        return re.sub(r"machine ([ABC])", lambda found: f"machine {names[NAMES.index(found[1])]}", what)
    what = re.sub(r"\{(\d)\}", lambda found: names[(which + int(found[1])) % len(names)], what)
    return f"{names[which]}{'' if what.startswith(chr(39)) else ' '}{what}"
