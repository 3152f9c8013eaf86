"""Where a webhook may lead: addresses out in the world, and none of our own network."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

LONGEST_URL = 2048
_NOT_OUT_IN_THE_WORLD = (
    IPv6Network("64:ff9b::/96"),  # NAT64: an IPv4 address behind a translator
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("::/96"),  # IPv4-compatible, long given up
    IPv6Network("fec0::/10"),  # site-local, given up too, but some networks still have it
)
_NAME = re.compile(r"[a-z0-9_.-]+", re.ASCII)


class InvalidWebhookUrl(Exception):
    """This is no URL to send webhooks to. The sentence says why, and never what was given."""


def check_webhook_url(url: str, *, allow_private: bool = False) -> str:
    """The URL itself. Raises InvalidWebhookUrl. Where its name leads is known only when something is sent."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidWebhookUrl(
            f"Give a URL of at most {LONGEST_URL} ASCII characters, the rest percent-encoded."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidWebhookUrl("Give a URL with a host and, if need be, a port.") from None
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise InvalidWebhookUrl("Give an https:// URL.")
    if not _is_host(parts.netloc, host) or port == 0:
        raise InvalidWebhookUrl("Give a URL with a host and, if need be, a port.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidWebhookUrl("Give a URL without a user, a password or a fragment.")
    if not allow_private and _is_inside(host):
        raise InvalidWebhookUrl("Give a public address: this one is private, or this machine's own.")
    return url


def _is_host(netloc: str, host: str) -> bool:
    """Whether it is a name, or an address; what else one may write there, resolvers and clients read differently."""
    if "[" not in netloc:
        return _NAME.fullmatch(host) is not None
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Whether this IP address is somebody's out in the world, and not in disguise one that is not."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if isinstance(found, IPv6Address) and any(found in network for network in _NOT_OUT_IN_THE_WORLD):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def _is_inside(host: str) -> bool:
    """Whether a host can be seen to be none out in the world before anybody resolves it."""
    name = host.rstrip(".").lower()
    try:
        literal: IPv4Address | IPv6Address | None = ip_address(name.partition("%")[0])
    except ValueError:
        literal = None
    if literal is not None:
        return not is_public(str(literal))
    # What has no letter in its last part is an address to some resolvers: 127.1, 0x7f000001, 2130706433.
    last = name.rpartition(".")[2]
    return (
        not name
        or last.isdigit()
        or last.startswith("0x")
        or "." not in name
        or last in {"localhost", "local", "internal"}
    )
