"""What a tenant may have of its own at Telegram: an app, a name among people's devices, a proxy. Checked when made.

Source of what a name may be: core.telegram.org/api/terms, 2.3 ("Telegram" in a title only after "Unofficial").
To pass for another client is dishonest towards the account holder, and what Telegram's abuse detection looks for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal, Self
from urllib.parse import quote, unquote, urlsplit

from actors.core.secret import Secret

GREATEST_API_ID = 2**31 - 1
"""`api_id` is an int of 32 bits in `initConnection` (core.telegram.org/method/initConnection)."""

LONGEST_DEVICE_TEXT = 64
LONGEST_PROXY_PART = 255
"""Bytes of a host, a user name or a password: what SOCKS5 has room for (RFC 1928, 5; RFC 1929, 2)."""

Scheme = Literal["socks5", "http"]
PROXY_SCHEMES: Mapping[str, Scheme] = {"socks5": "socks5", "http": "http"}

_API_HASH = re.compile(r"[A-Za-z0-9]{16,64}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+", re.ASCII)
_WORD = re.compile(r"\w+")
_ALIKE = frozenset({"LATIN", "GREEK", "CYRILLIC"})
"""Alphabets with letters that look like each other's."""
_DEVICES = frozenset({"android", "ios", "ipados", "iphone", "ipad"})
_CLIENTS = ("telegram", "телеграм", "tdesktop", "unigram", "webogram")
_MARKED = re.compile(r"unofficial(telegram|телеграм)")


class InvalidApp(ValueError):
    """What was given as a tenant's own app is none. The sentence says what to give instead, never what was given."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class DishonestDevice(InvalidApp):
    """A device's name that passes for a client or a device that we are not."""


class InvalidProxy(InvalidApp):
    """A proxy's URL that is none, or of a kind that we do not speak."""


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What the account holder reads in Telegram's Devices list. Honest and the same at every connect."""

    device_model: str = "UnifiedSessionManager"
    system_version: str = "server"
    app_version: str = "0.1.0"

    def __post_init__(self) -> None:
        """Raise DishonestDevice, or InvalidApp for what is no short line of text."""
        for field in fields(self):
            _check_text(field.name, getattr(self, field.name))


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that all connections go through, and the login that it asks for."""

    scheme: Scheme
    host: str
    port: int
    username: Secret | None = None
    password: Secret | None = None

    @classmethod
    def parse(cls, url: Secret) -> Self:
        """The proxy of `scheme://[user:password@]host:port`, its login percent-encoded. Raises InvalidProxy."""
        try:
            parts = urlsplit(url.reveal())
            port, host = parts.port, parts.hostname or ""
        except ValueError:  # its text may quote a part of the password
            raise _no_proxy() from None
        scheme = PROXY_SCHEMES.get(parts.scheme)
        if scheme is not None and not any((parts.path.strip("/"), parts.query, parts.fragment)):
            found = cls(scheme, host, port or 0, _part(parts.username), _part(parts.password))
            if found.is_sound:
                return found
        raise _no_proxy()

    @property
    def is_sound(self) -> bool:
        """Whether it can be asked for anything."""
        texts = [self.host, *(each.reveal() for each in (self.username, self.password) if each)]
        is_short = all(0 < len(text.encode()) <= LONGEST_PROXY_PART for text in texts)
        is_complete = (self.username is None) == (self.password is None)
        return self.port > 0 and bool(_HOST.fullmatch(self.host)) and is_short and is_complete

    @property
    def address(self) -> str:
        """Where it is, without its login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def url(self) -> Secret:
        """All of it, as `parse` takes it."""
        if self.username is None or self.password is None:
            return Secret(self.address)
        login = f"{quote(self.username.reveal(), safe='')}:{quote(self.password.reveal(), safe='')}"
        return Secret(self.address.replace("://", f"://{login}@", 1))


@dataclass(frozen=True, slots=True)
class OwnApp:
    """What one tenant has of its own; of what it has not, the service's is used. Raises InvalidApp."""

    api_id: int | None = None
    api_hash: Secret | None = None
    proxy: Proxy | None = None
    device_model: str | None = None
    system_version: str | None = None
    app_version: str | None = None

    def __post_init__(self) -> None:
        """Check what belongs together; the parts check themselves."""
        if (self.api_id is None) != (self.api_hash is None):
            raise InvalidApp(
                "api_hash" if self.api_hash is None else "api_id", "Give api_id and api_hash together."
            )
        if self.api_id is not None and not 0 < self.api_id <= GREATEST_API_ID:
            raise InvalidApp("api_id", "api_id is the positive number that https://my.telegram.org shows.")
        if self.api_hash is not None and not _API_HASH.fullmatch(self.api_hash.reveal()):
            raise InvalidApp(
                "api_hash", "api_hash is the 32 letters and digits that https://my.telegram.org shows."
            )
        self.device(DeviceProfile())

    def device(self, usual: DeviceProfile) -> DeviceProfile:
        """What it calls itself; what it leaves open is as usual."""
        own = {field.name: getattr(self, field.name) for field in fields(usual)}
        return replace(usual, **{name: text for name, text in own.items() if text is not None})


def _part(encoded: str | None) -> Secret | None:
    return None if encoded is None else Secret(unquote(encoded))


def _no_proxy() -> InvalidProxy:
    return InvalidProxy(
        "proxy",
        "Give the proxy as socks5://user:password@host:port or http://user:password@host:port, user and password "
        "percent-encoded, both or neither. MTProto proxies are not spoken here.",
    )


def _check_text(field: str, text: str) -> None:
    if not 0 < len(text) <= LONGEST_DEVICE_TEXT or not text.isprintable() or text != text.strip():
        raise InvalidApp(
            field,
            f"{field} is a line of 1 to {LONGEST_DEVICE_TEXT} printable characters, no space around it.",
        )
    if any(_mixes_alphabets(word) for word in _WORD.findall(text)):
        raise DishonestDevice(
            field, f"{field} has a word of letters from several alphabets. Write it in one."
        )
    if _passes_for_another(unicodedata.normalize("NFKC", text).casefold()):
        raise DishonestDevice(
            field,
            f"{field} passes for a client or a device that this is not: Telegram's own clients, phones and their "
            "systems. Give your product's name ('Telegram' only after 'Unofficial').",
        )


def _passes_for_another(text: str) -> bool:
    words = _WORD.findall(text)
    letters = _MARKED.sub("", "".join(words).replace("_", ""))
    return any(client in letters for client in _CLIENTS) or not _DEVICES.isdisjoint(words)


def _mixes_alphabets(word: str) -> bool:
    """A Greek or Cyrillic letter can look like a Latin one, and a word with it is not found by its letters."""
    alphabets = {unicodedata.name(letter, "").split(" ")[0] for letter in word if letter.isalpha()}
    return len(alphabets & _ALIKE) > 1
