"""What a client must know to use the sandbox instead of Telegram."""

import base64
import hashlib
import ipaddress
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import TypeAdapter

DC_IDS = (1, 2)
MADE_UP = 2_000_000_000


class DcAddress(NamedTuple):
    """Where one data centre of the sandbox listens."""

    id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SandboxDescription:
    """The sandbox as its clients see it. Written to `sandbox.json` in the sandbox's directory.

    `rsa_public_key` is PEM in PKCS#1 form, as Telethon's `rsa.add_key` wants it. A new session starts at
    `home_dc`, as Telethon's own new sessions start at DC 2. `control_key` is the bearer key of `control_url`.
    """

    dcs: tuple[DcAddress, ...]
    rsa_public_key: str
    api_id: int
    api_hash: str = field(repr=False)
    control_url: str
    control_key: str = field(repr=False)
    home_dc: int = 2
    banner: str = "SANDBOX: not Telegram, no real account lives here"

    def __post_init__(self) -> None:
        for dc in self.dcs:
            require_loopback(dc.host)

    def dc(self, dc_id: int) -> DcAddress:
        """The address of one data centre; LookupError if the sandbox has no such DC."""
        for dc in self.dcs:
            if dc.id == dc_id:
                return dc
        raise LookupError(f"the sandbox has no DC {dc_id}")

    def to_json(self) -> str:
        """This description as one JSON object."""
        return _AS_JSON.dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "SandboxDescription":
        """The description written by `to_json`; pydantic.ValidationError if it is something else."""
        return _AS_JSON.validate_json(text)


_AS_JSON = TypeAdapter(SandboxDescription)


def require_loopback(host: str) -> None:
    """Refuse every address that another machine could reach (ValueError)."""
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        raise ValueError(f"{host!r} is no IPv4 address: the sandbox listens on 127.0.0.1 only") from None
    if not address.is_loopback:
        raise ValueError(f"{host} can be reached from outside: the sandbox listens on 127.0.0.1 only")


def is_made_up(api_id: int) -> bool:
    """Whether the sandbox takes this for an app that a test made up: Telegram has given out no number so great."""
    return api_id >= MADE_UP


def made_up_hash(api_id: int) -> str:
    """The api_hash that the sandbox takes with a made-up api_id."""
    return hashlib.sha256(f"SANDBOX app {api_id}".encode()).hexdigest()[:32]


def token_of(url: str) -> bytes:
    """The token in a `tg://login?token=…` url (core.telegram.org/api/qr-login); ValueError if it has none."""
    prefix = "tg://login?token="
    if not url.startswith(prefix):
        raise ValueError(f"a login url begins with {prefix}")
    text = url.removeprefix(prefix)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
