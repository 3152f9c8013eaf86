"""What proves the credentials that others issue: Supabase's tokens, and what Telegram signs for Mini Apps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from init_data_py import TELEGRAM_PUBLIC_KEYS

from actors.core.secret import Secret
from actors.guards import SigningKeys


@dataclass(frozen=True, slots=True)
class SupabaseTokens:
    """What proves a token of Supabase's. Each of both may be missing, and then its algorithms are refused."""

    secret: Secret | None = None
    keys: SigningKeys | None = None


@dataclass(frozen=True, slots=True)
class MiniApps:
    """The bots whose Mini Apps may ask, each for one tenant. `own_token` is the token of the bot that is ours.

    `public_key` is Telegram's, in hex; its test servers have another.
    """

    tenants: Mapping[int, str] = field(default_factory=dict)
    own_token: Secret | None = None
    public_key: str = TELEGRAM_PUBLIC_KEYS["prod"]

    @property
    def own_bot(self) -> int | None:
        """The id of our bot: what stands before the colon of its token."""
        return None if self.own_token is None else int(self.own_token.reveal().partition(":")[0])
