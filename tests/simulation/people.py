"""The people of the simulation: they ask sensible and senseless things, scan QRs too late, and walk away."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from actors.core import messages as m
from actors.core.record import to_record
from actors.core.secret import Secret
from actors.core.states import Absent, Authorized, PendingCode, PendingPassword, PendingQr, State
from actors.core.transitions import Refused
from actors.errors import MailboxFull, NoAnswer, StoreUnavailable, Unanswered
from actors.mailbox import BOUND
from tests.fakes import FakeAccount
from tests.simulation.line import BOT_TOKEN
from tests.simulation.rules import EPSILON
from tests.simulation.world import FarSide

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

TICKET_LIVES = (60.0, 120.0, 600.0)
CROWD = BOUND + 20


class Person:
    """Somebody who cares for one session, through whichever process runs it."""

    def __init__(self, simulation: Simulation, far: FarSide) -> None:
        self._simulation = simulation
        self._far = far
        self._rules = simulation.rules
        self._chance: random.Random = simulation.chance
        self._logins = 0
        self._login_id = "login-0"

    async def live(self, until: float) -> None:
        """Act now and then, until that moment."""
        while trio.current_time() < until:
            await trio.sleep(self._chance.expovariate(1 / self._simulation.pause))
            state = await self._look()
            if state is not None:
                await self._act(state)

    async def _act(self, state: State) -> None:
        command = self._sensible(state) if self._chance.random() < 0.8 else self._any()
        if self._chance.random() < 0.01:
            await self._crowd(command)
            return
        answer = await self.ask(command, self._chance.choice((0.0, 0.2, 5.0, 55.0, 55.0)))
        if isinstance(answer, PendingQr) and self._chance.random() < 0.8:
            await self._scan()

    async def _crowd(self, command: m.Command) -> None:
        """More people than the mailbox holds ask at once."""
        async with trio.open_nursery() as crowd:
            for _ in range(CROWD):
                crowd.start_soon(self.ask, command, self._chance.choice((1.0, 29.0)))

    async def _scan(self) -> None:
        """Look at the QR, find the phone, and scan what was seen: by now it may be another one."""
        await trio.sleep(self._chance.uniform(1.0, 40.0))
        state = await self._look()
        if not isinstance(state, PendingQr) or state.token is None:
            return
        url, account = state.token.url, self._far.account
        if self._chance.random() < 0.1:
            account = replace(account, id=account.id + 1)
        await trio.sleep(self._chance.uniform(1.0, 33.0))
        scanned = self._far.scan(url, account, self._simulation.clock.now())
        self._rules.note("scan", self._far.key, scanned)
        line = self._far.line
        if scanned and line is not None and line.using is line.login and self._chance.random() < 0.9:
            line.tell(m.TokenAccepted())

    # -- asking

    async def ask(self, command: m.Command, within: float) -> State | None:
        """Ask, and let the rules judge what comes of it."""
        sessions, key, rules = self._simulation.sessions, self._far.key, self._rules
        if sessions is None:
            return None
        since, asked_at = rules.known(key), trio.current_time()
        self._far.revokes_waiting += isinstance(command, m.Revoke)
        self._far.revoke_asked |= isinstance(command, m.Revoke)
        rules.hold(self._simulation.waiting(key) <= BOUND, "a mailbox keeps to its bound", key)
        try:
            state = await sessions.ask(key, command, within)
        except (Refused, Unanswered) as refusal:
            self._judge_refusal(refusal, within)
            return None
        else:
            rules.note("answer", key, f"{type(command).__name__} {to_record(state)}")
            rules.told(key, state, since)
            return state
        finally:
            rules.in_time(key, asked_at, within)
            self._far.revokes_waiting -= isinstance(command, m.Revoke)

    def _judge_refusal(self, refusal: Exception, within: float) -> None:
        self._rules.note("refusal", self._far.key, f"{type(refusal).__name__} {refusal}")
        if isinstance(refusal, NoAnswer) and within > 0:
            forgotten = self._simulation.is_idle(self._far.key)
            self._rules.hold(
                not forgotten, "no ask is forgotten while its session has nothing to do", self._far.key
            )
        if isinstance(refusal, MailboxFull):
            waiting = self._simulation.waiting(self._far.key)
            self._rules.hold(waiting == BOUND, f"only a full mailbox refuses: {waiting}", self._far.key)

    async def _look(self) -> State | None:
        sessions, key = self._simulation.sessions, self._far.key
        if sessions is None:
            return None
        since, asked_at = self._rules.known(key), trio.current_time()
        try:
            state = (await sessions.look(key)).state
        except StoreUnavailable:
            return None
        self._rules.in_time(key, asked_at, 1.0 - EPSILON)
        self._rules.told(key, state, since)
        return state

    # -- what to ask

    def _sensible(self, state: State) -> m.Command:
        roll = self._chance.random()
        match state:
            case PendingQr():
                return m.CancelLogin(self._login_id) if roll < 0.3 else self._start_qr()
            case PendingCode():
                return self._code() if roll < 0.8 else m.ResendCode(self._login_id)
            case PendingPassword():
                return self._password() if roll < 0.9 else m.CancelLogin(self._login_id)
            case Authorized():
                return self._of_running(roll)
            case Absent() | _:
                return self._start_qr() if roll < 0.7 else self._start_code()

    @staticmethod
    def _of_running(roll: float) -> m.Command:
        if roll < 0.05:
            return m.Revoke()
        if roll < 0.15:
            return m.StopSession()
        return m.StartSession() if roll < 0.5 else m.Validate()

    def _any(self) -> m.Command:
        return self._chance.choice(
            (
                self._start_qr,
                self._start_code,
                self._start_bot,
                self._code,
                self._password,
                m.Validate,
                m.StartSession,
                m.StopSession,
                lambda: m.ResendCode(self._login_id),
                lambda: m.CancelLogin(self._chance.choice((self._login_id, "login-0"))),
            )
        )()

    def _start_qr(self) -> m.Command:
        return m.StartQr(self._next_login(), self._ticket_ends(), self._expected())

    def _start_code(self) -> m.Command:
        return m.StartCode(self._next_login(), self._ticket_ends(), Secret("+10000000000"), self._expected())

    def _start_bot(self) -> m.Command:
        token = Secret(BOT_TOKEN if self._chance.random() < 0.7 else "2:unknown")
        return m.StartBot(self._next_login(), self._ticket_ends(), token, self._expected())

    def _next_login(self) -> str:
        self._logins += 1
        self._login_id = f"login-{self._logins}"
        return self._login_id

    def _ticket_ends(self) -> float:
        return self._simulation.clock.now() + self._chance.choice(TICKET_LIVES)

    def _expected(self) -> int | None:
        return self._far.account.id if self._chance.random() < 0.5 else None

    def _code(self) -> m.Command:
        right = self._chance.random() < 0.7
        return m.SubmitCode(self._somebodys_login(), Secret(self._far.account.code if right else "00000"))

    def _password(self) -> m.Command:
        right = self._chance.random() < 0.7
        password = self._far.account.password or "none is set"
        return m.SubmitPassword(self._somebodys_login(), Secret(password if right else "a wrong one"))

    def _somebodys_login(self) -> str:
        return "login-0" if self._chance.random() < 0.1 else self._login_id


def account(number: int, chance: random.Random) -> FakeAccount:
    """Somebody's account; every other has a 2FA password."""
    password = "correct horse" if chance.random() < 0.5 else None
    return FakeAccount(id=1000 + 10 * number, code="12345", password=password, hint="the usual")
