"""Credentials under seal, as they lie in the database: AES-256-GCM, bound to the place that they lie in.

Two layers. A tenant's data key is 32 random bytes, wrapped under a key of the keyring; it seals that tenant's
credentials. Changing the keyring therefore rewraps a few keys and seals nothing anew. Both are one byte of format, a
random nonce of 12 bytes, and the text with its tag of 16 bytes (NIST SP 800-38D).
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.adapters.keyring import KEY_BYTES, Keyring, KeyUnknown
from actors.core.credential import Credential, UpdatePoint
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.errors import CredentialSealed

FORMAT = 1
NONCE_BYTES = 12
OVERHEAD_BYTES = 1 + NONCE_BYTES + 16


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A tenant's data key as the database has it: which one, its bytes, and the keyring's key that wraps it."""

    tenant_id: str
    key_id: int
    wrapped: bytes
    wrapped_by: str


@dataclass(frozen=True, slots=True)
class DataKey:
    """The same, ready to seal and open. It is never kept longer than one transaction."""

    tenant_id: str
    key_id: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """What a seal is bound to beside environment and data key: a session, its ownership epoch, and a version."""

    key: SessionKey
    version: int
    epoch: int = 0


class Seals:
    """Seals, opens and recognises credentials of one environment.

    `keyring` is asked every time, for the file may get a new key while the service runs. Whatever cannot be opened is
    CredentialSealed, whose sentence says why and never what was read.
    """

    def __init__(self, environment: str, keyring: Callable[[], Keyring]) -> None:
        self._environment = environment
        self._keyring = keyring

    @property
    def current(self) -> str:
        """The name of the key that wraps and fingerprints from now on."""
        return self._keyring().current

    # -- data keys

    def new_data_key(self, tenant_id: str, key_id: int) -> WrappedKey:
        """A fresh data key, wrapped under the keyring's current key."""
        return self._wrap(DataKey(tenant_id, key_id, secrets.token_bytes(KEY_BYTES)))

    def rewrap(self, wrapped: WrappedKey) -> WrappedKey:
        """The same data key under the keyring's current key. Raises CredentialSealed."""
        return self._wrap(self.unwrap(wrapped))

    def unwrap(self, wrapped: WrappedKey) -> DataKey:
        """The data key itself. Raises CredentialSealed."""
        context = self._wrapping(wrapped.tenant_id, wrapped.key_id, wrapped.wrapped_by)
        key = _open(self._derive(wrapped.wrapped_by, "wrap"), wrapped.wrapped, context)
        return DataKey(wrapped.tenant_id, wrapped.key_id, key)

    def _wrap(self, key: DataKey) -> WrappedKey:
        name = self.current
        context = self._wrapping(key.tenant_id, key.key_id, name)
        return WrappedKey(
            key.tenant_id, key.key_id, _seal(self._derive(name, "wrap"), key.secret, context), name
        )

    def _wrapping(self, tenant_id: str, key_id: int, wrapped_by: str) -> bytes:
        return _context("data key", self._environment, tenant_id, key_id, wrapped_by)

    # -- credentials

    def seal(self, credential: Credential, place: Place, key: DataKey) -> bytes:
        """The credential under seal, for this place only."""
        return _seal(key.secret, _encode(credential), self._sealing(place, key))

    def open(self, sealed: bytes, place: Place, key: DataKey) -> Credential:
        """The credential that was sealed for this place. Raises CredentialSealed."""
        return _decode(_open(key.secret, sealed, self._sealing(place, key)))

    def _sealing(self, place: Place, key: DataKey) -> bytes:
        session = place.key.tenant_id, place.key.app_id
        return _context(
            "credential", self._environment, *session, place.epoch, place.version, key.tenant_id, key.key_id
        )

    # -- single secrets

    def seal_secret(self, secret: Secret, *place: str) -> tuple[bytes, str]:
        """A secret under seal, for this place only, and the name of the keyring's key that seals it."""
        name = self.current
        return _seal(self._derive(name, "secret"), secret.reveal().encode(), self._placing(place, name)), name

    def open_secret(self, sealed: bytes, name: str, *place: str) -> Secret:
        """The secret that was sealed for this place. Raises CredentialSealed."""
        text = _open(self._derive(name, "secret"), sealed, self._placing(place, name), "write it anew")
        return Secret(text.decode())

    def _placing(self, place: Sequence[str], name: str) -> bytes:
        return _context("secret", self._environment, *place, name)

    # -- fingerprints

    def fingerprint(self, credential: Credential) -> str:
        """By which an auth key is known: HMAC-SHA256 over data centre and key, under the keyring's current key."""
        return self._fingerprint(self.current, credential)

    def fingerprints(self, credential: Credential) -> list[str]:
        """All that it may be known by: one for each key of the keyring, the current one's last."""
        return [self._fingerprint(name, credential) for name in self._keyring().names]

    def _fingerprint(self, name: str, credential: Credential) -> str:
        text = b"auth key %d " % credential.dc_id + bytes.fromhex(credential.auth_key.reveal())
        return f"{name}:{hmac.digest(self._derive(name, 'fingerprint'), text, 'sha256').hex()}"

    def _derive(self, name: str, purpose: str) -> bytes:
        try:
            return self._keyring().derive(name, purpose)
        except KeyUnknown as unknown:
            raise CredentialSealed(
                f"{unknown}: give this process the keyring that has it (BACKUP_ENCRYPTION_KEY_PATH)"
            ) from None


def _context(*parts: str | int) -> bytes:
    """Associated data that no other parts make: JSON keeps their borders apart."""
    return json.dumps(["unified-session-manager", FORMAT, *parts]).encode()


def _seal(key: bytes, text: bytes, context: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return bytes([FORMAT]) + nonce + AESGCM(key).encrypt(nonce, text, context)


def _open(key: bytes, sealed: bytes, context: bytes, fix: str = "log the session in again") -> bytes:
    if len(sealed) < OVERHEAD_BYTES or sealed[0] != FORMAT:
        raise CredentialSealed(
            f"sealed in a format that this release does not know (not {FORMAT}): run the release that wrote it"
        )
    try:
        return AESGCM(key).decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], context)
    except InvalidTag:
        raise CredentialSealed(
            "the seal does not hold: it was changed, moved, or made in another environment or with another keyring; "
            f"check ENVIRONMENT_NAME and BACKUP_ENCRYPTION_KEY_PATH, or {fix}"
        ) from None


def _encode(credential: Credential) -> bytes:
    fields = (
        credential.account_id,
        credential.dc_id,
        credential.address,
        credential.port,
        credential.auth_key.reveal(),
        [astuple(point) for point in credential.updates],
        credential.api_id,
    )
    return json.dumps(fields, separators=(",", ":")).encode()


def _decode(text: bytes) -> Credential:
    with suppress(ValueError, TypeError):  # such an error has the text with it: nobody may get hold of it
        account_id, dc_id, address, port, auth_key, updates, api_id = json.loads(text)
        points = tuple(UpdatePoint(*point) for point in updates)
        return Credential(account_id, dc_id, address, port, Secret(auth_key), points, api_id)
    raise CredentialSealed("opened, but written by another release: run the release that wrote it")
