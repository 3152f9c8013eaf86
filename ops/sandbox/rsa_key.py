"""The sandbox's RSA key: how a client knows that it speaks with the sandbox, and opens what it sent.

Two paddings arrive: RSA_PAD of the present protocol (core.telegram.org/mtproto/auth_key, step 4.1), and the
older SHA-1 one that Telethon still uses. They are told apart by their hashes.
"""

import hashlib
from functools import cached_property

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from telethon.crypto import AES
from telethon.tl.tlobject import TLObject

from ops.sandbox import tl
from ops.sandbox.diffie_hellman import power
from ops.sandbox.errors import ProtocolViolation

_SIZE = 256
_PEM = serialization.Encoding.PEM


class RsaKey:
    """One RSA-2048 key pair."""

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private
        self._numbers = private.private_numbers()

    @classmethod
    def generate(cls) -> "RsaKey":
        """A new key. Its fingerprint has 16 hex digits, since some clients look it up without leading zeros."""
        while True:
            key = cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))
            if (key.fingerprint >> 60) & 0xF:
                return key

    @classmethod
    def from_pem(cls, pem: str) -> "RsaKey":
        """The key that `private_pem` wrote."""
        # Our own key, so the slow proof that it is one is left out.
        private = serialization.load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError("the sandbox's key is not an RSA key: delete state.json to make a new sandbox")
        return cls(private)

    @property
    def private_pem(self) -> str:
        """The whole key, for the state file."""
        form = serialization.PrivateFormat.TraditionalOpenSSL
        return self._private.private_bytes(_PEM, form, serialization.NoEncryption()).decode()

    @cached_property
    def public_pem(self) -> str:
        """The public key in PKCS#1, as Telethon's `rsa.add_key` reads it."""
        return self._private.public_key().public_bytes(_PEM, serialization.PublicFormat.PKCS1).decode()

    @cached_property
    def fingerprint(self) -> int:
        """The lower 64 bits of SHA-1 over the TL form of n and e, signed."""
        public = self._numbers.public_numbers
        parts = (_big_endian(public.n), _big_endian(public.e))
        digest = hashlib.sha1(b"".join(TLObject.serialize_bytes(part) for part in parts)).digest()  # noqa: S324 - the protocol's own
        return int.from_bytes(digest[-8:], "little", signed=True)

    def open(self, encrypted: bytes) -> tl.Tl:
        """The `p_q_inner_data` that a client sealed for this key; ProtocolViolation when it is none."""
        number = int.from_bytes(encrypted)
        public = self._numbers.public_numbers
        if len(encrypted) != _SIZE or number >= public.n:
            raise ProtocolViolation("not encrypted for this RSA key")
        block = self._opened(number).to_bytes(_SIZE)
        inner = _opened_rsa_pad(block)
        return inner if inner is not None else _opened_old_padding(block)

    def _opened(self, number: int) -> int:
        """`number` to the power of d, by way of the two primes: a quarter of the work (RFC 8017, 5.1.2)."""
        own = self._numbers
        m_1, m_2 = power(number, own.dmp1, own.p), power(number, own.dmq1, own.q)
        return m_2 + (m_1 - m_2) * own.iqmp % own.p * own.q


def _opened_rsa_pad(block: bytes) -> tl.Tl | None:
    masked_key, sealed = block[:32], block[32:]
    key = bytes(a ^ b for a, b in zip(masked_key, hashlib.sha256(sealed).digest(), strict=True))
    opened = AES.decrypt_ige(sealed, key, bytes(32))
    padded = opened[:192][::-1]
    if hashlib.sha256(key + padded).digest() != opened[192:]:
        return None
    return tl.read_measured(padded)[0]


def _opened_old_padding(block: bytes) -> tl.Tl:
    digest, padded = block[1:21], block[21:]
    inner, size = tl.read_measured(padded)
    if block[0] or hashlib.sha1(padded[:size]).digest() != digest:  # noqa: S324 - the protocol's own
        raise ProtocolViolation("neither RSA_PAD nor the older padding")
    return inner


def _big_endian(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)
