"""How often something happened, in Redis or Valkey: one script, so that many nodes cannot count past each other."""

from __future__ import annotations

import math
from secrets import token_hex

from redis.asyncio import Redis

from actors.adapters.redis import ask
from actors.guards import Limit

# Each limit is a sorted set of the moments, in microseconds of the server's clock, at which it was spent. Exact,
# unlike a bucket that refills: no more than `at_most` in any stretch of that length. Commands of Redis 7.0.
_SPEND = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait = 0
for i, key in ipairs(KEYS) do
    local most, span = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - span)
    local spent = redis.call('ZCARD', key)
    if spent >= most then
        local oldest = redis.call('ZRANGE', key, spent - most, spent - most, 'WITHSCORES')
        wait = math.max(wait, oldest[2] + span - now)
    end
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[1])
    redis.call('PEXPIRE', key, math.ceil(ARGV[2 * i + 1] / 1000))
end
return 0
"""


class RedisLimits:
    """Limits in Redis: `usm:limit:<name>`, gone by itself when its time is over."""

    def __init__(self, client: Redis) -> None:
        self._spend = client.register_script(_SPEND)

    async def spend(self, *limits: Limit) -> float:
        """See Limits."""
        keys = [f"usm:limit:{limit.name}" for limit in limits]
        numbers = [number for limit in limits for number in (limit.at_most, math.ceil(limit.seconds * 1e6))]
        wait = await ask(lambda: self._spend(keys=keys, args=[token_hex(8), *numbers]))
        return float(wait) / 1e6
