"""What the tests of a line to Telegram do again and again."""

from __future__ import annotations

from typing import TypeVar

from actors.core import messages as m
from actors.core.credential import Credential, Deposit
from actors.core.states import QrToken
from actors.ports import Telegram
from tests.contracts.telegram_bench import KEY, TelegramBench

Kind = TypeVar("Kind")


def of(kind: type[Kind], signal: object) -> Kind:
    """The signal, which has to be of this kind."""
    assert isinstance(signal, kind)
    return signal


async def shown(line: Telegram) -> QrToken:
    """The QR that the line shows."""
    return of(m.TokenIssued, await line.export_token()).token


async def scanned(telegram: TelegramBench, line: Telegram) -> m.Signal:
    """What the line says once the person has scanned the QR."""
    await telegram.accept(await shown(line))
    assert await telegram.told.next() == m.TokenAccepted()
    return await line.export_token()


def let_in(telegram: TelegramBench, signal: m.Signal) -> Credential:
    """What the person, who has to be the one that was let in, was let in with."""
    credential = of(m.SignedIn, signal).credential
    assert credential.account_id == telegram.person.id
    return credential


async def log_in(telegram: TelegramBench, line: Telegram) -> Credential:
    """Let the person log in, and keep the credential as the session's."""
    credential = let_in(telegram, await scanned(telegram, line))
    telegram.vault.keep(KEY, Deposit(credential))
    return credential


async def be_online(telegram: TelegramBench, line: Telegram) -> None:
    """Let the person log in, and connect."""
    await log_in(telegram, line)
    assert of(m.Online, await line.connect()).account_id == telegram.person.id
