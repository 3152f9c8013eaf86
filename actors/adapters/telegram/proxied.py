"""How bytes get to Telegram: directly, or through a proxy and then never past it. All asyncio code.

Telethon speaks to proxies too, but its way hides their failures among those of the data centre, replaces classes of
python-socks in passing, and where python-socks is missing it connects directly with no more than a warning.
"""

from __future__ import annotations

import socket

from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError, ProxyType
from python_socks.async_.asyncio import Proxy as Connector
from telethon.network.connection import ConnectionTcpFull

from actors.core.app import Proxy
from actors.core.secret import Secret

TYPES = {"socks5": ProxyType.SOCKS5, "http": ProxyType.HTTP}


class ProxyUnreachable(Exception):
    """The proxy could not be reached, or did not let us through.

    No OSError: Telethon swallows those of a connect, and says no more than that there was one.
    """


class ProxiedConnection(ConnectionTcpFull):  # type: ignore[misc]  # telethon publishes no types
    """Telethon's usual transport, whose `proxy` is None or ours."""

    _proxy: Proxy | None

    async def _proxy_connect(
        self, timeout: float | None = None, local_addr: tuple[str, int] | None = None
    ) -> socket.socket:
        """A socket that ends at the data centre, by way of the proxy. Raises ProxyUnreachable."""
        proxy = self._proxy
        assert proxy is not None and local_addr is None  # noqa: PT018, S101 - Telethon asks only then
        connector = Connector(
            TYPES[proxy.scheme], proxy.host, proxy.port, _clear(proxy.username), _clear(proxy.password)
        )
        try:
            return await connector.connect(self._ip, self._port, timeout=timeout)
        except (ProxyError, ProxyConnectionError, ProxyTimeoutError, OSError) as error:
            raise ProxyUnreachable(type(error).__name__) from None  # its text names the proxy


def _clear(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
