"""A twin of Telegram for many sessions: it follows a small model of an account, unless a test scripts its answers."""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import trio

from actors.clock import Clock
from actors.core import messages as m
from actors.core.credential import Credential, Deposit
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason
from actors.errors import CredentialSealed, StoreUnavailable
from tests.fakes.vault import FakeVault

_numbers = itertools.count(1)

TOKEN_LIFE = 30.0
"""Seconds, as usual at Telegram (core.telegram.org/api/qr-login)."""


@dataclass(frozen=True, slots=True)
class FakeAccount:
    """Somebody's Telegram account, and what they would type."""

    id: int = 4242
    code: str = "12345"
    password: str | None = None
    hint: str | None = None
    bot_token: str = "4242:the-token-of-this-bot"
    resend_after: float | None = None
    """Seconds until Telegram would send the code by the next way; None is at once."""


class Stall:
    """An answer that never comes."""


Answer = m.Signal | Exception | Stall


@dataclass(slots=True)
class FakeKey:
    """An auth key that was let in: whose it is, and why Telegram no longer accepts it."""

    account_id: int
    ended: Reason | None = None
    connections: int = 0


@dataclass(slots=True)
class FakeSession:
    """All that lies outside the process about one session: Telegram's servers, the person's phone, the vault."""

    key: SessionKey
    vault: FakeVault
    account: FakeAccount
    frozen: bool = False
    connections: int = 0
    most_connections: int = 0
    logins_logged_out: int = 0
    keys: dict[Secret, FakeKey] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    lines: list[FakeLine] = field(default_factory=list)
    _answers: deque[Answer] = field(default_factory=deque)
    _answers_to: defaultdict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))

    def let_in(self, account_id: int) -> Credential:
        """A new key with which this account is logged in."""
        key = Secret(f"{next(_numbers):0512x}")
        self.keys[key] = FakeKey(account_id)
        return Credential(account_id, 2, "127.0.0.1", 443, key)

    def provision(self) -> Credential:
        """The same, as the session's credential."""
        credential = self.let_in(self.account.id)
        self.vault.keep(self.key, Deposit(credential))
        return credential

    def end(self, reason: Reason) -> None:
        """Let every key of the account be accepted no longer."""
        for key in self.keys.values():
            key.ended = key.ended or reason

    @property
    def credential(self) -> int | None:
        """Whose credential the session has."""
        kept = [kept.credential for kept in self.vault.kept.get(self.key, []) if kept.status == "current"]
        return kept[0].account_id if kept and kept[0] else None

    def answer(self, *answers: Answer, to: str | None = None) -> None:
        """Script the next answers, to whatever is called next or to one method, ahead of the usual ones."""
        (self._answers if to is None else self._answers_to[to]).extend(answers)

    def next_answer(self, method: str) -> Answer | None:
        """What the script says to this call, if anything."""
        for script in (self._answers_to[method], self._answers):
            if script:
                return script.popleft()
        return None

    @property
    def authorizations(self) -> int:
        """With how many keys the account is logged in at Telegram."""
        return sum(key.ended is None for key in self.keys.values())

    @property
    def line(self) -> FakeLine:
        """The line that was opened last and is still open."""
        return self.lines[-1]

    def accept(self, account: FakeAccount | None = None) -> None:
        """Let a phone (its own account's, unless another's) scan the QR that is shown, and confirm."""
        self.line.accept(account or self.account)

    def push(self, signal: m.Signal) -> None:
        """Tell the session something by itself."""
        self.line.tell(signal)

    def drop_connection(self) -> None:
        """Cut the open connection."""
        self.line.lose_connection()


class FakeTelegram:
    """Telegram as many sessions see it. `telegram[key]` is the far side of one; every other has `account`."""

    def __init__(self, clock: Clock, vault: FakeVault, account: FakeAccount | None = None) -> None:
        self.account = account or FakeAccount()
        self._vault = vault
        self._clock = clock
        self._sessions: dict[SessionKey, FakeSession] = {}

    def __getitem__(self, key: SessionKey) -> FakeSession:
        """The far side of this session, which outlives the lines to it."""
        return self._sessions.setdefault(key, FakeSession(key, self._vault, self.account))

    @asynccontextmanager
    async def __call__(self, key: SessionKey, tell: Callable[[m.Signal], None]) -> AsyncIterator[FakeLine]:
        session = self[key]
        line = FakeLine(session, tell, self._clock)
        session.lines.append(line)
        try:
            yield line
        finally:
            line.close()
            session.lines.remove(line)


class FakeLine:
    """One session's line. A login's key is forgotten when the line closes."""

    def __init__(self, session: FakeSession, tell: Callable[[m.Signal], None], clock: Clock) -> None:
        self.tell = tell
        self._session = session
        self._clock = clock
        self._connected_as: Literal["login", "session"] | None = None
        self._token: QrToken | None = None
        self._issued = 0
        self._code_sent = False
        self._let_in: FakeAccount | None = None
        self._login_key: Secret | None = None
        self._using: FakeKey | None = None
        self._taken: Credential | None = None  # from the vault, until the line is told to let go of it

    async def export_token(self) -> m.Signal:
        return await self._scripted("export_token") or self._token_or_outcome()

    async def send_code(self, phone: Secret) -> m.Signal:  # noqa: ARG002 - any number reaches the account
        return await self._scripted("send_code") or self._code_sent_by("app", "sms")

    async def send_code_again(self) -> m.Signal:
        return await self._scripted("send_code_again") or self._code_sent_by("sms")

    async def sign_in(self, code: Secret) -> m.Signal:
        return await self._scripted("sign_in") or self._code_checked(code.reveal())

    async def check_password(self, password: Secret) -> m.Signal:
        return await self._scripted("check_password") or self._password_checked(password.reveal())

    async def import_bot(self, token: Secret) -> m.Signal:
        return await self._scripted("import_bot") or self._bot_checked(token.reveal())

    async def abandon_login(self) -> None:
        await self._scripted("abandon_login")
        if self._login_key is not None:
            self._session.keys[self._login_key].ended = Reason.REQUESTED
            self._session.logins_logged_out += 1
        self._forget_login()

    async def connect(self) -> m.Signal:
        return await self._scripted("connect") or await self._validated()

    async def disconnect(self) -> None:
        await self._scripted("disconnect")
        self.close()

    async def log_out(self) -> m.Signal:
        answer = await self._scripted("log_out")
        using = self._using or await self._key_that_was()
        self.close()
        if answer is None and using is not None:
            using.ended = using.ended or Reason.REQUESTED
        return answer or (m.Unreachable(self._clock.now()) if using is None else m.LoggedOut())

    async def forget(self) -> None:
        await self._scripted("forget")
        self.close()

    def accept(self, account: FakeAccount) -> None:
        """Let this account scan the QR that is shown."""
        assert self._connected_as == "login", "no login is connected"
        assert self._token is not None, "no QR was shown"
        assert self._clock.now() < self._token.expires_at, "the QR that was shown last is dead"
        self._let_in = account
        self.tell(m.TokenAccepted())

    def lose_connection(self) -> None:
        """Cut the open connection and say so."""
        assert self._connected_as is not None, "no connection is open"
        self.hang_up()
        self.tell(m.ConnectionLost(self._clock.now()))

    def close(self) -> None:
        """Close whatever connection is open, and with it the login that is under way."""
        self._forget_login()
        self.hang_up()
        self._taken = None

    def hang_up(self) -> None:
        """Close whatever connection is open."""
        if self._connected_as is not None:
            self._connected_as = None
            self._session.connections -= 1
        if self._using is not None:
            self._using.connections -= 1
            self._using = None

    async def _scripted(self, method: str) -> m.Signal | None:
        self._session.calls.append(method)
        await trio.lowlevel.checkpoint()
        answer = self._session.next_answer(method)
        if isinstance(answer, Stall):
            await trio.sleep_forever()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _connect_as(self, whom: Literal["login", "session"]) -> None:
        if self._connected_as == whom:
            return
        self.hang_up()
        if whom == "login":
            self._taken = None
        self._connected_as = whom
        self._session.connections += 1
        self._session.most_connections = max(self._session.most_connections, self._session.connections)

    def _token_or_outcome(self) -> m.Signal:
        self._connect_as("login")
        if self._let_in is not None:
            return self._first_factor_done(self._let_in)
        now = self._clock.now()
        if self._token is None or now >= self._token.expires_at:
            self._issued += 1
            self._token = QrToken(Secret(f"tg://login?token=fake-{self._issued}"), now + TOKEN_LIFE)
        return m.TokenIssued(now, self._token)

    def _code_sent_by(self, delivery: str, next_delivery: str | None = None) -> m.Signal:
        self._connect_as("login")
        self._code_sent = True
        account = self._session.account
        wait = account.resend_after if next_delivery else None
        resend_at = None if wait is None else self._clock.now() + wait
        return m.CodeSent(delivery, len(account.code), next_delivery, resend_at)

    def _bot_checked(self, token: str) -> m.Signal:
        self._connect_as("login")
        if token != self._session.account.bot_token:
            return m.LoginFailed(Reason.BOT_TOKEN_INVALID)
        return self._sign_in(self._session.account)

    def _code_checked(self, code: str) -> m.Signal:
        if not self._code_sent:
            return m.LoginFailed(Reason.CODE_EXPIRED)
        if code != self._session.account.code:
            return m.CodeRejected()
        return self._first_factor_done(self._session.account)

    def _first_factor_done(self, account: FakeAccount) -> m.Signal:
        self._let_in = account
        if account.password is None:
            return self._sign_in(account)
        return m.PasswordNeeded(self._clock.now(), account.hint)

    def _password_checked(self, password: str) -> m.Signal:
        if self._let_in is None:
            return m.LoginFailed(Reason.LOGIN_REFUSED)
        if password != self._let_in.password:
            return m.PasswordRejected()
        return self._sign_in(self._let_in)

    def _sign_in(self, account: FakeAccount) -> m.Signal:
        credential = self._session.let_in(account.id)
        self._login_key = credential.auth_key
        return m.SignedIn(credential)

    def _forget_login(self) -> None:
        if self._connected_as == "login":
            self.hang_up()
        self._token, self._code_sent, self._let_in, self._login_key = None, False, None, None

    async def _validated(self) -> m.Signal:
        self._forget_login()
        try:
            credential = self._taken or await self._session.vault.current(self._session.key)
        except CredentialSealed:
            return m.CredentialUnusable(Reason.CREDENTIAL_SEALED)
        except StoreUnavailable:
            return m.Unreachable(self._clock.now())
        if credential is None:
            return m.CredentialUnusable(Reason.CREDENTIAL_MISSING)
        self._taken = credential
        key = self._session.keys[credential.auth_key]
        self._use(key)
        if key.connections > 1:
            # What Telegram does to a key in use twice (core.telegram.org/api/errors, 406 AUTH_KEY_DUPLICATED).
            key.ended = Reason.AUTH_KEY_DUPLICATED
        if key.ended is not None:
            return m.CredentialLost(key.ended)
        now = self._clock.now()
        return m.AccountFrozen(now) if self._session.frozen else m.Online(key.account_id, now)

    def _use(self, key: FakeKey) -> None:
        self._connect_as("session")
        if self._using is not key:
            self._using = key
            key.connections += 1

    async def _key_that_was(self) -> FakeKey | None:
        """The key of a session that has no credential any more, as its file would still hold it."""
        kept = self._session.vault.kept.get(self._session.key, [])
        return self._session.keys[Secret(kept[-1].auth_key[1])] if kept else None
