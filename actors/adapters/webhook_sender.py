"""Brings a webhook's message to its server: signed, to public addresses only, and following nobody elsewhere."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import httpx
import trio
from standardwebhooks import Webhook as Signer

from actors.clock import Clock
from actors.core.webhook import InvalidWebhookUrl, check_webhook_url, is_public
from actors.webhooks import Due, Sent, Trouble

DEADLINE = 15.0
"""Seconds for one try, from the name's resolution to the answer's head."""

ADDRESSES = 3
"""Of one name, that are tried one after the other."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> Sequence[str]:
    """The IP addresses of a name. Raises OSError."""
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class WebhookSender:
    """Sends messages as Standard Webhooks wants them signed, to public addresses only.

    It connects to the very address that it has judged, so that a name which moves a moment later is of no use.
    Redirects are answers like others, and of an answer only the head is read.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        allow_private: bool = False,
        resolve: Resolve = resolve,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._allow_private = allow_private
        self._resolve = resolve
        self._trusted = trusted or ssl.create_default_context()

    async def __call__(self, due: Due, body: str) -> Sent:
        """See SendWebhook."""
        with trio.move_on_after(DEADLINE):
            return await self._send(due, body)
        return Sent(trouble=Trouble.TOO_SLOW)

    async def _send(self, due: Due, body: str) -> Sent:
        try:
            url = httpx.URL(check_webhook_url(due.url, allow_private=self._allow_private))
            addresses = await self._resolve(url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])
        except InvalidWebhookUrl:
            return Sent(trouble=Trouble.ADDRESS_REFUSED)
        except (OSError, UnicodeError):
            return Sent(trouble=Trouble.UNREACHABLE)
        if not self._allow_private and not all(map(is_public, addresses)):
            return Sent(trouble=Trouble.ADDRESS_REFUSED)
        # No connection is kept: the pool knows them by address, and a name's certificate is not another name's.
        async with httpx.AsyncClient(verify=self._trusted, trust_env=False, timeout=DEADLINE) as client:
            for address in addresses[:ADDRESSES]:
                sent = await self._try(client, url, address, self._signed(due, body), body)
                if sent.trouble is not Trouble.UNREACHABLE:
                    return sent
        return Sent(trouble=Trouble.UNREACHABLE)

    async def _try(
        self, client: httpx.AsyncClient, url: httpx.URL, address: str, headers: dict[str, str], body: str
    ) -> Sent:
        request = client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body.encode(),
            headers=headers | {"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        )
        try:
            response = await client.send(request, stream=True)
        except httpx.TimeoutException:
            return Sent(trouble=Trouble.TOO_SLOW)
        except (httpx.HTTPError, OSError, ssl.SSLError):
            return Sent(trouble=Trouble.UNREACHABLE)
        await response.aclose()
        status = response.status_code
        if response.is_success:
            return Sent(status)
        return Sent(status, Trouble.GONE if status == httpx.codes.GONE else Trouble.REFUSED)

    def _signed(self, due: Due, body: str) -> dict[str, str]:
        at = datetime.fromtimestamp(int(self._clock.now()), UTC)
        signatures = (Signer(secret.reveal()).sign(due.message_id, at, body) for secret in due.secrets)
        return {
            "Content-Type": "application/json",
            "User-Agent": "UnifiedSessionManager",
            "webhook-id": due.message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


_PORTS = {"https": 443, "http": 80}
