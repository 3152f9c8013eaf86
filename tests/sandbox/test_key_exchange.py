import asyncio
import hashlib
import os
import random
from typing import Any

import pytest
from telethon import functions
from telethon.crypto import AES, rsa
from telethon.errors import AuthKeyNotFound
from telethon.network import connection as transports
from telethon.network.connection.connection import Connection
from telethon.network.connection.tcpintermediate import (
    IntermediatePacketCodec,
    RandomizedIntermediatePacketCodec,
)
from telethon.sessions import StringSession

from ops.sandbox.client import home
from tests.sandbox.clients import ANNA, CLARA, connected, log_in_by_qr, started


class PaddedCodec(RandomizedIntermediatePacketCodec):  # type: ignore[misc] # Telethon publishes no types
    tag = b"\xdd" * 4

    def encode_packet(self, data: bytes) -> bytes:
        framed: bytes = IntermediatePacketCodec.encode_packet(self, data + os.urandom(random.randint(0, 15)))
        return framed


class ConnectionTcpPadded(Connection):  # type: ignore[misc] # as above
    packet_codec = PaddedCodec


@pytest.mark.parametrize(
    "transport",
    [
        transports.ConnectionTcpFull,
        transports.ConnectionTcpAbridged,
        transports.ConnectionTcpIntermediate,
        transports.ConnectionTcpObfuscated,
        ConnectionTcpPadded,
    ],
)
def test_every_transport_carries_a_whole_login(transport: type[Connection]) -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, connection=transport) as client:
            user = await log_in_by_qr(client, lambda url: sandbox.accept(url, ANNA))
            assert user.phone == ANNA

    asyncio.run(story())


def test_a_client_that_pads_as_the_present_protocol_says_is_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rsa, "encrypt", _rsa_pad)

    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            assert (await client(functions.help.GetConfigRequest())).this_dc == 2

    asyncio.run(story())


def test_a_key_exchange_with_the_wrong_padding_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with started() as sandbox:
            monkeypatch.setattr(rsa, "sha1", lambda data: hashlib.sha1(data + b"?"))  # noqa: S324 - the protocol's own
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                async with connected(sandbox.description):
                    pass
            assert list(sandbox.world.keys) == []

    asyncio.run(story())


def test_a_key_of_one_dc_is_unknown_to_the_other() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = StringSession(sandbox.provision(CLARA))
            home(session, sandbox.description, dc_id=2)
            with pytest.raises(AuthKeyNotFound):
                async with connected(sandbox.description, session.save()):
                    pass

    asyncio.run(story())


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n" * 8, b"\xef\x7f\xff\xff\xff", b"\xee" * 8, bytes(range(200))]
)
def test_noise_ends_the_connection_and_nothing_else(noise: bytes) -> None:
    async def story() -> None:
        async with started() as sandbox:
            reader, writer = await asyncio.open_connection(*sandbox.description.dc(2)[1:])
            writer.write(noise)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            async with connected(sandbox.description, sandbox.provision(ANNA)) as client:
                assert (await client.get_me()).phone == ANNA

    asyncio.run(story())


def _rsa_pad(fingerprint: int, data: bytes, **_: Any) -> bytes:
    """Encrypt as core.telegram.org/mtproto/auth_key, step 4.1, says, which Telethon itself does not yet."""
    key, _old = rsa._server_keys[fingerprint]
    padded = data + os.urandom(192 - len(data))
    while True:
        temporary = os.urandom(32)
        sealed = AES.encrypt_ige(
            padded[::-1] + hashlib.sha256(temporary + padded).digest(), temporary, bytes(32)
        )
        mask = hashlib.sha256(sealed).digest()
        number = int.from_bytes(bytes(a ^ b for a, b in zip(temporary, mask, strict=True)) + sealed)
        if number < key.n:
            encrypted: int = pow(number, key.e, key.n)
            return encrypted.to_bytes(256)
