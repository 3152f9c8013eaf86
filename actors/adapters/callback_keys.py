"""The keys with which tenants sign their callbacks, each derived from one secret of ours.

HKDF with SHA-256 (RFC 5869) over the secret: a tenant that loses its key loses nobody else's. While a secret is
replaced there are two of each.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.core.secret import Secret
from actors.guards import CallbackKey

KEY_BYTES = 32


class DerivedCallbackKeys:
    """The CallbackKeys of these secrets, of which the first is the one to sign with."""

    def __init__(self, *secrets: Secret) -> None:
        self._secrets = [(secret.reveal().encode(), _key_id(secret)) for secret in secrets]

    def of(self, tenant_id: str) -> Sequence[CallbackKey]:
        """See CallbackKeys."""
        return [
            CallbackKey(f"{tenant_id}.{key_id}", _derived(secret, f"miniapp-cb|{tenant_id}|{key_id}"))
            for secret, key_id in self._secrets
        ]


def _key_id(secret: Secret) -> str:
    """Tells secrets apart, and nothing about them."""
    return _derived(secret.reveal().encode(), "miniapp-cb key id")[:4].hex()


def _derived(secret: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)
