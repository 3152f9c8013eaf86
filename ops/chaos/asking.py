"""How long an ask takes at the node that has the session, and through another one."""

from __future__ import annotations

import time

from ops.chaos.faults import Scene, Seconds
from ops.chaos.fleet import Node
from ops.chaos.people import TENANT

ASKS = 300
WARM = 20


async def measure_asks(scene: Scene) -> Seconds:
    """Tell sessions that run to run, one after the other, at their owner and through another node in turn."""
    lives = {scene.fleet.life_of(node): node for node in scene.fleet.up}
    rows = await scene.ask("select app_id, owner_node from session_owners where owner_node is not null")
    owned = [(row["app_id"], lives[row["owner_node"]]) for row in rows if row["owner_node"] in lives]
    here: list[float] = []
    there: list[float] = []
    for number in range(ASKS + WARM):
        name, owner = owned[number % len(owned)]
        other = next(node for node in scene.fleet.up if node is not owner)
        for node, seconds in ((owner, here), (other, there)):
            took = await _ask(scene, node, name)
            if number >= WARM:
                seconds.append(took)
    return {"ask, at the owner": here, "ask, through another node": there}


async def _ask(scene: Scene, node: Node, name: str) -> float:
    began = time.perf_counter()
    reply = await scene.fleet.client(node).post(f"/api/v1/sessions/{TENANT}/{name}/start")
    reply.raise_for_status()
    return time.perf_counter() - began
