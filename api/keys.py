"""API keys: what one looks like, how it is made, and who comes with one."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import replace

import trio

from actors.bridge import in_trio
from actors.clock import Clock
from actors.core.secret import Secret
from actors.guards import KEY_ID_PATTERN, ApiKey, ApiKeys, KeyRole
from api.caller import Caller, Credential
from api.doors import Doors
from api.errors import Unauthenticated
from api.permissions import Role

PREFIX = "usm_"
_SHAPE = re.compile(rf"{PREFIX}({KEY_ID_PATTERN})_[A-Za-z0-9_-]{{43}}", re.ASCII)
_ALPHABET = string.ascii_lowercase + string.digits

REMEMBERED = 5.0
"""Seconds for which what the database said of a key is believed: a revoked one works no longer than that."""

BOUND = 1024
LOOKUPS_AT_ONCE = 4
"""So that strangers who make up keys cannot keep all of the database's connections busy."""


def new_key(role: KeyRole, tenant_id: str | None, label: str, now: float) -> tuple[Secret, ApiKey]:
    """A key with 256 random bits, to be shown once, and what is kept of it."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    random = urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    key = Secret(f"{PREFIX}{key_id}_{random}")
    kept = ApiKey(
        key_id=key_id,
        key_hash=_hash(key),
        role=role,
        tenant_id=tenant_id,
        label=label,
        created_at=now,
    )
    return key, kept


async def api_key(credential: Credential, here: Doors) -> Caller | None:
    """Recognises an API key."""
    shape = _SHAPE.fullmatch(credential.value.reveal())
    if credential.scheme != "bearer" or shape is None:
        return None
    kept = await in_trio(here.api_keys.find, shape[1])
    # Compared in any case, so that it takes as long whether there is a key of this id or not.
    known = kept or replace(new_key(KeyRole.ADMIN, None, "", 0.0)[1], revoked_at=0.0)
    matches = hmac.compare_digest(known.key_hash, _hash(credential.value))
    if not matches or not known.works(here.clock.now()):
        raise Unauthenticated
    return Caller(role=Role(known.role.value), tenant_id=known.tenant_id, name=f"key:{known.key_id}")


def _hash(key: Secret) -> bytes:
    return hashlib.sha256(key.reveal().encode()).digest()


class _Memory:
    """What the database said of some keys, until when that is believed, and the turns to ask it again."""

    def __init__(self) -> None:
        self.answers: OrderedDict[str, tuple[ApiKey | None, float]] = OrderedDict()
        self.lookups = trio.CapacityLimiter(LOOKUPS_AT_ONCE)

    def knows(self, key_id: str, now: float) -> bool:
        return key_id in self.answers and now < self.answers[key_id][1]


class RememberedKeys:
    """ApiKeys that asks the database for each key once in a while only, and never for many at a time."""

    def __init__(self, keys: ApiKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        # Apart from each other, so that what strangers make up neither displaces nor delays what is known.
        self._real, self._made_up = _Memory(), _Memory()

    async def find(self, key_id: str) -> ApiKey | None:
        """See ApiKeys."""
        memory = self._memory(key_id)
        if memory.knows(key_id, self._clock.now()):
            return memory.answers[key_id][0]
        async with memory.lookups:
            memory = self._memory(key_id)
            if memory.knows(key_id, self._clock.now()):  # whoever was before us has asked
                return memory.answers[key_id][0]
            key = await self._keys.find(key_id)
        memory.answers.pop(key_id, None)
        self._keep(key_id, key)
        return key

    def _memory(self, key_id: str) -> _Memory:
        return self._real if key_id in self._real.answers else self._made_up

    def _keep(self, key_id: str, key: ApiKey | None) -> None:
        answers = (self._made_up if key is None else self._real).answers
        answers[key_id] = key, self._clock.now() + REMEMBERED
        while len(answers) > BOUND:
            answers.popitem(last=False)
