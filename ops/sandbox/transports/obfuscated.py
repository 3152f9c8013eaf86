"""Transport obfuscation: AES-CTR around any framing, keys in the first 64 bytes; a disguise only."""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

_KEYS = slice(8, 56)
_TAG = slice(56, 60)


class Obfuscation:
    """Both directions of one obfuscated connection, from the 64 bytes that opened it."""

    def __init__(self, head: bytes) -> None:
        forward, backward = head[_KEYS], head[_KEYS][::-1]
        self._incoming = Cipher(AES(forward[:32]), CTR(forward[32:])).decryptor()
        self._outgoing = Cipher(AES(backward[:32]), CTR(backward[32:])).encryptor()
        self.tag = self.incoming(head)[_TAG]

    def incoming(self, data: bytes) -> bytes:
        """What the client means."""
        return self._incoming.update(data)

    def outgoing(self, data: bytes) -> bytes:
        """How to say `data` to the client."""
        return self._outgoing.update(data)
