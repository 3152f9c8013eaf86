"""Another service's public keys, fetched from its JWKS address (RFC 7517) and kept for a while."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

import httpx
import jwt
import trio

from actors.clock import Clock
from actors.errors import StoreUnavailable

DEADLINE = 3.0
FRESH = 600.0
"""Seconds for which the keys are believed without asking again."""

ASK_AGAIN = 30.0
"""Seconds before an id that nobody knows, or a service that is down, makes us ask again."""

LARGEST = 64 * 1024


class Jwks:
    """The keys at one address. When that is down, the ones that were fetched last go on to count for a day."""

    LONGEST_STALE = 86_400.0

    def __init__(self, url: str, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._clock = clock
        self._transport = transport
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = -float("inf")
        self._one_at_a_time = trio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """See SigningKeys."""
        # Whoever needs what is being fetched waits for it.
        if key_id not in self._keys or self._is_due(key_id):
            async with self._one_at_a_time:
                if self._is_due(key_id):
                    await self._fetch()
        if self._clock.now() - self._fetched_at > self.LONGEST_STALE:
            raise StoreUnavailable("the public keys of SUPABASE_URL cannot be fetched", ASK_AGAIN)
        return self._keys.get(key_id)

    def _is_due(self, key_id: str) -> bool:
        now = self._clock.now()
        wanted = key_id not in self._keys or now - self._fetched_at > FRESH
        return wanted and now - self._asked_at > ASK_AGAIN

    async def _fetch(self) -> None:
        self._asked_at = self._clock.now()
        try:
            with trio.fail_after(DEADLINE):
                self._keys = _usable(await self._document())
        except (httpx.HTTPError, trio.TooSlowError, ValueError):
            return
        self._fetched_at = self._clock.now()

    async def _document(self) -> object:
        async with (
            httpx.AsyncClient(transport=self._transport, timeout=DEADLINE) as client,
            client.stream("GET", self._url) as response,
        ):
            response.raise_for_status()
            raw = b""
            # To its end or the deadline: it closes itself only then.
            async for chunk in response.aiter_bytes():
                raw = (raw + chunk)[: LARGEST + 1]
        if len(raw) > LARGEST:
            raise ValueError("too large for a list of keys")
        return json.loads(raw)


def _usable(document: object) -> Mapping[str, jwt.PyJWK]:
    """The keys that verify signatures. Symmetric ones have no business in public: they are left out."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a JWK Set")  # noqa: TRY004 - like every other unfit document
    found = {}
    for item in document["keys"]:
        if isinstance(item, dict) and item.get("kty") in {"EC", "RSA", "OKP"} and "kid" in item:
            with suppress(
                jwt.PyJWTError, ValueError, TypeError
            ):  # one that we cannot use makes no other worse
                found[str(item["kid"])] = jwt.PyJWK.from_dict(item)
    if document["keys"] and not found:
        raise ValueError("a JWK Set of which we can use nothing")
    return found
