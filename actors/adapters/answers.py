"""What was answered to requests that must not be carried out twice, in Redis or Valkey."""

from __future__ import annotations

import json

from redis.asyncio import Redis

from actors.adapters.redis import ask
from actors.ports import Answered


class RedisAnswers:
    """Answers in Redis: `usm:answer:<name>` holds a fingerprint and an answer, and expires."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def claim(self, name: str, fingerprint: str, ttl: float) -> Answered | None:
        """See Answers. SET with NX and GET is one step, so of two claims at once exactly one succeeds."""
        value = _written(Answered(fingerprint, None))
        kept = await ask(lambda: self._client.set(_key(name), value, px=_ms(ttl), nx=True, get=True))
        return Answered(**json.loads(kept)) if isinstance(kept, str | bytes) else None

    async def keep(self, name: str, answered: Answered, ttl: float) -> None:
        """See Answers."""
        await ask(lambda: self._client.set(_key(name), _written(answered), px=_ms(ttl)))

    async def forget(self, name: str) -> None:
        """See Answers."""
        await ask(lambda: self._client.delete(_key(name)))


def _key(name: str) -> str:
    return f"usm:answer:{name}"


def _written(answered: Answered) -> str:
    return json.dumps({"fingerprint": answered.fingerprint, "answer": answered.answer})


def _ms(ttl: float) -> int:
    return max(1, round(ttl * 1000))
