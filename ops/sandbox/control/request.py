"""What a route needs of the request that it answers."""

from typing import TypeAlias, TypeVar

from pydantic import TypeAdapter
from quart import Response, current_app, request

from ops.sandbox.world import World

Reply: TypeAlias = Response | tuple[Response, int]
T = TypeVar("T")


def world() -> World:
    """The sandbox's memory."""
    memory: World = current_app.config["WORLD"]
    return memory


async def body(kind: type[T]) -> T:
    """The JSON that was sent, as `kind`; pydantic.ValidationError if it is something else."""
    return TypeAdapter(kind).validate_json(await request.get_data() or b"{}")
