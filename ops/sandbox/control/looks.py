"""Routes that only look: who is connected, what was counted, what the oracle saw."""

from dataclasses import asdict

from quart import Blueprint, jsonify

from ops.sandbox.control.request import Reply, world

routes = Blueprint("looks", __name__)


@routes.get("/duplicates")
async def list_duplicates() -> Reply:
    """Each time one logged-in key spoke on two live connections at once."""
    return jsonify([asdict(duplicate) for duplicate in world().duplicates])


@routes.get("/first_words")
async def list_first_words() -> Reply:
    """What was said first over each connection, and whether it began with a delay to disconnect after."""
    return jsonify([asdict(words) for words in world().first_words])


@routes.get("/connections")
async def list_connections() -> Reply:
    """Who is connected, and as whom."""
    here = world()
    return jsonify(
        [
            {
                "dc_id": line.dc_id,
                "peer": line.peer,
                "since": line.since,
                "left_before": here.live.left_at(key),
                "phone": here.accounts.by_id(key.user_id).phone if key.user_id else None,
                "device_model": key.device.device_model if key.device else None,
            }
            for key, line in here.live
        ]
    )


@routes.get("/devices")
async def list_devices() -> Reply:
    """Every login of every account, as its owner reads it under Devices."""
    here = world()
    return jsonify(
        [
            {"phone": here.accounts.by_id(key.user_id).phone, **asdict(key.device)}
            for key in here.keys
            if key.user_id is not None and key.device is not None
        ]
    )


@routes.get("/counts")
async def show_counts() -> Reply:
    """What has happened since the start, in numbers."""
    counts = world().counts
    return jsonify(
        connections=dict(counts.connections),
        connections_of=dict(counts.connections_of),
        key_exchanges=dict(counts.key_exchanges),
        calls=dict(counts.calls),
    )
