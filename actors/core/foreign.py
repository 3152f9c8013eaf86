"""Logins that other programs have made and keep in files of theirs, and why one cannot be taken from there."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from actors.core.credential import Credential, UpdatePoint
from actors.core.secret import Secret

HIGHEST_PORT = 65535


class Format(StrEnum):
    """Who wrote a file, and how."""

    TELETHON_FILE = "telethon_file"
    TELETHON_STRING = "telethon_string"
    PYROGRAM_FILE = "pyrogram_file"
    PYROGRAM_STRING = "pyrogram_string"


class Fault(StrEnum):
    """What is wrong with a file. A closed set, so that it can be counted and looked up."""

    NAME = "name"
    PLACE = "place"
    SYMLINK = "symlink"
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    TOO_BIG = "too_big"
    IN_USE = "in_use"
    EMPTY = "empty"
    NOT_A_SESSION = "not_a_session"
    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    NEWER_SCHEMA = "newer_schema"
    NO_LOGIN = "no_login"
    OTHER_TELEGRAM = "other_telegram"
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNT_MISMATCH = "account_mismatch"
    SEALED = "sealed"


class Unreadable(Exception):
    """No login can be taken from a file. The sentence says why, and names the fix if there is one."""

    def __init__(self, fault: Fault, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class ForeignLogin:
    """What a file holds: a key that Telegram may have let in. Some formats do not say whose it is."""

    format: Format
    dc_id: int
    address: str
    port: int
    auth_key: Secret
    """The 256 bytes of the key, in hexadecimal."""
    account_id: int | None = None
    updates: tuple[UpdatePoint, ...] = ()

    def credential(self, account_id: int) -> Credential:
        """The credential of the account that this login belongs to."""
        return Credential(account_id, self.dc_id, self.address, self.port, self.auth_key, self.updates)


@dataclass(frozen=True, slots=True)
class Network:
    """Which Telegram a login has to be of: the real one, or a sandbox on this machine."""

    is_sandbox: bool
    dcs: Mapping[int, tuple[str, int]] = field(repr=False)
    """Where each data centre listens, for formats that only give its number."""

    def where(self, dc_id: int) -> tuple[str, int]:
        """The address and port of a data centre. Raises Unreadable if there is none of this number."""
        if dc_id not in self.dcs:
            known = ", ".join(str(known) for known in sorted(self.dcs))
            raise Unreadable(
                Fault.OTHER_TELEGRAM, f"its data centre is number {dc_id}, which is none of {known}"
            )
        return self.dcs[dc_id]

    def check(self, dc_id: int, address: str, port: int) -> None:
        """Raise Unreadable unless a connection there may be one to this Telegram.

        A file decides where its session connects to, so it must not be able to name a machine of our own network.
        """
        self.where(dc_id)
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise Unreadable(Fault.CORRUPT, "the address of its data centre is not an IP address") from None
        if not 0 < port <= HIGHEST_PORT:
            raise Unreadable(Fault.CORRUPT, "the port of its data centre is not a port")
        if self.is_sandbox and not parsed.is_loopback:
            raise Unreadable(
                Fault.OTHER_TELEGRAM, f"it is of a Telegram at {address}, and this is the sandbox"
            )
        if not self.is_sandbox and not parsed.is_global:
            raise Unreadable(
                Fault.OTHER_TELEGRAM,
                f"it is of a Telegram at {address}, which is no public address: a sandbox or a proxy of your own",
            )


TELEGRAM = Network(
    is_sandbox=False,
    dcs={
        1: ("149.154.175.53", 443),
        2: ("149.154.167.51", 443),
        3: ("149.154.175.100", 443),
        4: ("149.154.167.91", 443),
        5: ("91.108.56.130", 443),
    },
)
"""The real one. Source: the data centres that `help.getConfig` lists (core.telegram.org/api/datacenter)."""
