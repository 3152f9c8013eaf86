"""People who ask a mailbox, and note what they are answered."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.states import State
from actors.errors import MailboxFull, NoAnswer, Parked, Stopping
from actors.mailbox import Mailbox

LONG = 3600.0


def command(number: int) -> m.CancelLogin:
    return m.CancelLogin(f"login-{number}")


async def ask_and_note(mailbox: Mailbox, asked: m.Command, answers: list[State | Exception]) -> None:
    try:
        answers.append(await mailbox.ask(asked, within=LONG))
    except (MailboxFull, NoAnswer, Parked, Stopping) as error:
        answers.append(error)


async def leave(
    nursery: trio.Nursery, mailbox: Mailbox, commands: Sequence[m.Command]
) -> list[State | Exception]:
    """Let a task each ask these, in this order; what they are answered appears in the list."""
    answers: list[State | Exception] = []
    for asked in commands:
        nursery.start_soon(ask_and_note, mailbox, asked, answers)
        await wait_all_tasks_blocked()
    return answers


async def received(mailbox: Mailbox, many: int) -> list[object]:
    return [(await mailbox.receive()).message for _ in range(many)]
