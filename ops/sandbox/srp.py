"""The server's half of the 2FA password check (core.telegram.org/api/srp).

The client proves that it knows the password without sending it; the server keeps a verifier g^x.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

from telethon import password as telethon_password
from telethon.tl.types import InputCheckPasswordSRP
from telethon.tl.types import PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow as Algorithm

from ops.sandbox.diffie_hellman import GENERATOR, PRIME, PRIME_BYTES, SIZE, is_safe, power, random_exponent

_SALTS = (b"sandbox salt one", b"sandbox salt two")
_GENERATOR_BYTES = GENERATOR.to_bytes(SIZE)


@dataclass(frozen=True)
class Challenge:
    """One question to one client: B, and the secret exponent behind it."""

    id: int
    verifier: int = field(repr=False)
    secret: int = field(repr=False)
    public: bytes = field(repr=False)

    def is_met_by(self, answer: InputCheckPasswordSRP) -> bool:
        """Whether the answer proves the password."""
        a = int.from_bytes(answer.A)
        if len(answer.A) != SIZE or not is_safe(a):
            return False
        u = int.from_bytes(_sha256(answer.A, self.public))
        shared = power(a * power(self.verifier, u), self.secret)
        return hmac.compare_digest(answer.M1, self._proof(answer.A, _sha256(shared.to_bytes(SIZE))))

    def _proof(self, a: bytes, key: bytes) -> bytes:
        both = zip(_sha256(PRIME_BYTES), _sha256(_GENERATOR_BYTES), strict=True)
        group = bytes(x ^ y for x, y in both)
        salt1, salt2 = _SALTS
        return _sha256(group, _sha256(salt1), _sha256(salt2), a, self.public, key)


def algorithm() -> Algorithm:
    """How a client turns a password into its number x."""
    return Algorithm(*_SALTS, g=GENERATOR, p=PRIME_BYTES)


def challenge(password: str) -> Challenge:
    """A new question about `password`."""
    verifier = _verifier(password)
    k = int.from_bytes(_sha256(PRIME_BYTES, _GENERATOR_BYTES))
    while True:
        secret = random_exponent()
        g_b = power(GENERATOR, secret)
        if is_safe(g_b):
            public = (k * verifier + g_b) % PRIME
            return Challenge(secrets.randbits(62), verifier, secret, public.to_bytes(SIZE))


# One hash costs a quarter of a second by design. The accounts share their salts, so that tests pay only once.
@lru_cache(maxsize=64)
def _verifier(password: str) -> int:
    return power(GENERATOR, int.from_bytes(telethon_password.compute_hash(algorithm(), password)))


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()
