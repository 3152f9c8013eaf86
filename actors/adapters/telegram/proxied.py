"""How bytes get to Telegram: directly, or through a proxy and then never past it. All asyncio code.

Telethon speaks to proxies too, but its way hides their failures among those of the data centre, replaces classes of
python-socks in passing, and where python-socks is missing it connects directly with no more than a warning.
"""

from __future__ import annotations

import asyncio
import socket

from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError, ProxyType
from python_socks.async_.asyncio import Proxy as Connector

from actors.core.app import Proxy
from actors.core.secret import Secret

TYPES = {"socks5": ProxyType.SOCKS5, "http": ProxyType.HTTP}


class ProxyUnreachable(Exception):
    """The proxy could not be reached, or did not let us through.

    No OSError: Telethon swallows those of a connect, and says no more than that there was one.
    """


async def dial(host: str, port: int, proxy: Proxy | None, timeout: float | None) -> socket.socket:
    """A socket that ends there, by way of the proxy if there is one. Raises OSError and ProxyUnreachable."""
    if proxy is not None:
        return await _through(proxy, host, port, timeout)
    tcp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        tcp.setblocking(False)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(tcp, (host, port))
    except BaseException:
        tcp.close()
        raise
    return tcp


async def _through(proxy: Proxy, host: str, port: int, timeout: float | None) -> socket.socket:
    connector = Connector(
        TYPES[proxy.scheme], proxy.host, proxy.port, _clear(proxy.username), _clear(proxy.password)
    )
    try:
        return await connector.connect(host, port, timeout=timeout)
    except (ProxyError, ProxyConnectionError, ProxyTimeoutError, OSError) as error:
        raise ProxyUnreachable(type(error).__name__) from None  # its text names the proxy


def _clear(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
