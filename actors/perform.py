"""From an effect to the port that performs it, within the effect's own deadline, and back as a signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import trio

from actors.clock import Clock
from actors.core import effects as e
from actors.core.messages import Signal, Unreachable
from actors.core.states import Reason
from actors.ports import Telegram

CALL = 20.0
GOODBYE = 5.0

DEADLINES: Mapping[type[e.Effect], float] = {
    e.ExportToken: 30.0,  # may hold a key exchange, and a second one after a migration to another DC
    e.SendCode: 30.0,
    e.ImportBot: 30.0,
    e.Connect: 30.0,
    e.AbandonLogin: GOODBYE,
    e.Disconnect: GOODBYE,
    e.Forget: GOODBYE,
    e.LogOut: 15.0,
}
"""Seconds that an effect may take; CALL for those not named."""


async def perform(effect: e.Effect, telegram: Telegram, clock: Clock) -> Signal | None:
    """Do it, and say how it went. None means that there is nothing to say."""
    with trio.move_on_after(DEADLINES.get(type(effect), CALL)):
        return await _call(effect, telegram)
    return (
        None
        if isinstance(effect, e.AbandonLogin | e.Disconnect | e.Forget)
        else Unreachable(clock.now(), Reason.UNREACHABLE)
    )


async def _call(effect: e.Effect, telegram: Telegram) -> Signal | None:
    match effect:
        case e.ExportToken():
            return await telegram.export_token()
        case e.SendCode(phone):
            return await telegram.send_code(phone)
        case e.SendCodeAgain():
            return await telegram.send_code_again()
        case e.SignIn(code):
            return await telegram.sign_in(code)
        case e.CheckPassword(password):
            return await telegram.check_password(password)
        case e.ImportBot(token):
            return await telegram.import_bot(token)
        case e.AbandonLogin():
            await telegram.abandon_login()
        case e.Connect():
            return await telegram.connect()
        case e.Disconnect():
            await telegram.disconnect()
        case e.LogOut():
            return await telegram.log_out()
        case e.Forget():
            await telegram.forget()
        case _:
            assert_never(effect)
    return None
