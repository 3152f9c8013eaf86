"""The making of an auth key, the server's half (core.telegram.org/mtproto/auth_key).

One exchange belongs to one connection. Its steps come in one order; anything else ends the connection.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from telethon import helpers
from telethon.crypto import AES, AuthKey
from telethon.tl import functions, types

from ops.sandbox import tl
from ops.sandbox.clock import Clock
from ops.sandbox.diffie_hellman import GENERATOR, PRIME_BYTES, SIZE, is_safe, power, random_exponent
from ops.sandbox.errors import ProtocolViolation
from ops.sandbox.rsa_key import RsaKey

# The client's proof of work, small so as not to slow tests down. The factors are far apart on purpose: near ones
# of this size defeat Telethon's Pollard rho once in 300 times (measured), these not once in 20 000.
_P, _Q = 1_009, 2_147_483_647
_HASH = 20
_TEST_DC = 10_000
_ORDINARY = (types.PQInnerData, types.PQInnerDataDc)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What an exchange ends with."""

    secret: bytes
    first_salt: int


class KeyExchange:
    """One attempt of a client to share a key with data centre `dc_id`; `done` gets the key."""

    def __init__(self, rsa_key: RsaKey, dc_id: int, done: Callable[[NewKey], None], clock: Clock) -> None:
        self._rsa_key = rsa_key
        self._dc_id = dc_id
        self._done = done
        self._clock = clock
        self._nonces = (_random_nonce(), _random_nonce())
        self._new_nonce: int | None = None
        self._exponent = 0

    def answer(self, request: tl.Tl) -> tl.Tl:
        """The answer to one step; ProtocolViolation for a step that is wrong or out of order."""
        match request:
            case functions.ReqPqMultiRequest() | functions.ReqPqRequest():
                return self._offer(request)
            case functions.ReqDHParamsRequest():
                return self._parameters(request)
            case functions.SetClientDHParamsRequest():
                return self._conclusion(request)
            case _:
                raise ProtocolViolation("not a step of the key exchange")

    def _offer(self, request: tl.Tl) -> tl.Tl:
        self._nonces = (request.nonce, _random_nonce())
        return types.ResPQ(*self._nonces, (_P * _Q).to_bytes(8), [self._rsa_key.fingerprint])

    def _parameters(self, request: tl.Tl) -> tl.Tl:
        self._require_nonces(request)
        inner = self._rsa_key.open(request.encrypted_data)
        if not isinstance(inner, _ORDINARY):
            raise ProtocolViolation("the sandbox makes no temporary keys")
        self._require_nonces(inner)
        self._require_dc(inner)
        if (int.from_bytes(inner.p), int.from_bytes(inner.q)) != (_P, _Q):
            raise ProtocolViolation("pq was not factorised")
        self._new_nonce = inner.new_nonce
        self._exponent = random_exponent()
        return types.ServerDHParamsOk(*self._nonces, self._sealed_parameters())

    def _sealed_parameters(self) -> bytes:
        g_a = power(GENERATOR, self._exponent).to_bytes(SIZE)
        inner = bytes(types.ServerDHInnerData(*self._nonces, GENERATOR, PRIME_BYTES, g_a, int(self._clock())))
        plain = _sha1(inner) + inner
        plain += secrets.token_bytes(-len(plain) % 16)
        return bytes(AES.encrypt_ige(plain, *self._temporary_key()))

    def _conclusion(self, request: tl.Tl) -> tl.Tl:
        self._require_nonces(request)
        if self._new_nonce is None or len(request.encrypted_data) % 16:
            raise ProtocolViolation("a step out of order")
        plain = AES.decrypt_ige(request.encrypted_data, *self._temporary_key())
        inner, size = tl.read_measured(plain[_HASH:])
        if _sha1(plain[_HASH : _HASH + size]) != plain[:_HASH] or not isinstance(
            inner, types.ClientDHInnerData
        ):
            raise ProtocolViolation("the client's half is damaged")
        self._require_nonces(inner)
        g_b = int.from_bytes(inner.g_b)
        key = AuthKey(power(g_b, self._exponent).to_bytes(SIZE))
        if not is_safe(g_b):
            return types.DhGenFail(*self._nonces, key.calc_new_nonce_hash(self._new_nonce, 3))
        self._done(NewKey(key.key, self._first_salt(self._new_nonce)))
        answer = types.DhGenOk(*self._nonces, key.calc_new_nonce_hash(self._new_nonce, 1))
        self._new_nonce = None
        return answer

    def _first_salt(self, new_nonce: int) -> int:
        halves = (_little_endian(new_nonce, 32), _little_endian(self._nonces[1], 16))
        mixed = bytes(a ^ b for a, b in zip(halves[0][:8], halves[1][:8], strict=True))
        return int.from_bytes(mixed, "little", signed=True)

    def _temporary_key(self) -> tuple[bytes, bytes]:
        key, iv = helpers.generate_key_data_from_nonce(self._nonces[1], self._new_nonce)
        return key, iv

    def _require_nonces(self, request: tl.Tl) -> None:
        if (request.nonce, request.server_nonce) != self._nonces:
            raise ProtocolViolation("nonces of another exchange")

    def _require_dc(self, inner: tl.Tl) -> None:
        if getattr(inner, "dc", self._dc_id) not in (self._dc_id, self._dc_id + _TEST_DC):
            raise ProtocolViolation("a key for another data centre")


def _random_nonce() -> int:
    return int.from_bytes(secrets.token_bytes(16), signed=True)


def _little_endian(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little", signed=True)


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()  # noqa: S324 - the protocol's own
