"""What every test of the sandbox needs: a Telethon that is quick, and clean for the next test."""

import gmpy2
import pytest
from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.network import authenticator


@pytest.fixture(autouse=True)
def telethon_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticator, "pow", _power, raising=False)
    monkeypatch.setattr(rsa, "_server_keys", dict(rsa._server_keys))
    monkeypatch.setattr(TelegramClient, "_config", None)


def _power(base: int, exponent: int, modulus: int) -> int:
    return int(gmpy2.powmod(base, exponent, modulus))
