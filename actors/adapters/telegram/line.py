"""One session's line to Telegram: the port over a wire, which is either a login's or the session's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from telethon import functions, types

from actors.adapters.telegram.app import TelegramApp, new_client, prepare_telethon
from actors.adapters.telegram.failures import login_signal, session_signal
from actors.adapters.telegram.login import Login
from actors.adapters.telegram.session_file import LiveSession, SessionFiles
from actors.adapters.telegram.wire import Wire
from actors.bridge import in_asyncio
from actors.clock import Clock
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.ports import Gate

GOODBYE = 5.0

Call = Callable[[], Awaitable[m.Signal]]
Classify = Callable[[BaseException, float], m.Signal | None]


class TelethonLines:
    """Opens lines: the OpenTelegram port for one app at Telegram and one folder of session files."""

    def __init__(self, app: TelegramApp, base: Path, clock: Clock, gate: Gate) -> None:
        prepare_telethon(app)
        self.app = app
        self.files = SessionFiles(base)
        self.clock = clock
        self.gate = gate

    @asynccontextmanager
    async def __call__(
        self, key: SessionKey, tell: Callable[[m.Signal], None]
    ) -> AsyncIterator[TelethonLine]:
        """The line of this session. Signals that come by themselves go to `tell`."""
        line = TelethonLine(key, tell, self)
        try:
            yield line
        finally:
            with trio.move_on_after(GOODBYE, shield=True):
                await line.disconnect()


class TelethonLine:
    """The Telegram port over Telethon. Each call crosses the bridge once."""

    def __init__(self, key: SessionKey, tell: Callable[[m.Signal], None], lines: TelethonLines) -> None:
        self._key = key
        self._tell = tell
        self._app = lines.app
        self._files = lines.files
        self._clock = lines.clock
        self._gate = lines.gate
        self._wire = Wire(lines.app, lambda: tell(m.TokenAccepted()), self._ended)
        self._login: Login | None = None  # None while the wire is the session's
        self._old_key: LiveSession | None = None  # of the session that a login in place has replaced

    # -- a login

    async def export_token(self) -> m.Signal:
        """See the port."""
        return await self._log_in(lambda login: login.export_token())

    async def send_code(self, phone: Secret) -> m.Signal:
        """See the port."""
        return await self._log_in(lambda login: login.send_code(phone))

    async def send_code_again(self) -> m.Signal:
        """See the port."""
        return await self._log_in(lambda login: login.send_code_again())

    async def sign_in(self, code: Secret) -> m.Signal:
        """See the port."""
        return await self._log_in(lambda login: login.sign_in(code))

    async def check_password(self, password: Secret) -> m.Signal:
        """See the port."""
        return await self._log_in(lambda login: login.check_password(password))

    async def import_bot(self, token: Secret) -> m.Signal:
        """See the port."""
        return await self._log_in(lambda login: login.import_bot(token))

    async def adopt(self, account_id: int) -> m.Signal:
        """See the port. The key is on disk before its connection is closed, so it cannot get lost between."""
        if self._login is None:
            raise RuntimeError("there is no login to adopt")
        old = await trio.to_thread.run_sync(self._files.read, self._key)
        if old is not None and old.auth_key.key != self._login.session.auth_key.key:  # not a repeated adopt
            self._old_key = old
        await trio.to_thread.run_sync(self._files.write, self._key, self._login.session)
        await self.disconnect()
        return m.Adopted(account_id)

    async def log_out_old_key(self) -> None:
        """See the port. It has a connection of its own, beside that of the new key."""
        old, self._old_key = self._old_key, None
        if old is not None:
            await self._call(lambda: self._log_out_apart(old), session_signal)

    async def abandon_login(self, *, log_out: bool) -> None:
        """See the port."""
        login = self._login
        if login is None:
            return
        if log_out:
            await self._call(lambda: self._log_out(login.session), login_signal)
        await self.disconnect()

    async def _log_in(self, step: Callable[[Login], Awaitable[m.Signal]]) -> m.Signal:
        login = self._login
        if login is None:
            await self.disconnect()
            login = self._login = Login(self._app, self._wire, self._clock)
        return await self._through_gate(lambda: step(login), login_signal, lambda: login.dc_id)

    # -- the session

    async def connect(self) -> m.Signal:
        """See the port. Telethon's own `is_user_authorized` is no help: it takes any error for a logout."""
        session = await self._session()
        if session is None:
            return m.CredentialMissing()
        return await self._through_gate(
            lambda: self._validate(session), session_signal, lambda: session.dc_id, background=True
        )

    async def log_out(self) -> m.Signal:
        """See the port. A key that Telegram no longer knows is logged out already."""
        session = await self._session()
        if session is not None:
            signal = await self._through_gate(
                lambda: self._log_out(session), session_signal, lambda: session.dc_id
            )
            if not isinstance(signal, m.LoggedOut | m.CredentialLost):
                return signal
        await self.disconnect()
        await trio.to_thread.run_sync(self._files.erase, self._key)
        return m.LoggedOut()

    async def disconnect(self) -> None:
        """See the port."""
        await in_asyncio(self._wire.close)
        self._login = None

    async def _session(self) -> LiveSession | None:
        """The session's credential: the one in use, or else the file's."""
        if self._login is not None:
            await self.disconnect()
        return self._wire.session or await trio.to_thread.run_sync(self._files.read, self._key)

    async def _validate(self, session: LiveSession) -> m.Signal:
        client = await self._wire.client_on(session)
        (user,) = await client(functions.users.GetUsersRequest([types.InputUserSelf()]))
        return m.Online(user.id, self._clock.now())

    async def _log_out(self, session: LiveSession) -> m.Signal:
        client = await self._wire.client_on(session)
        await client(functions.auth.LogOutRequest())
        return m.LoggedOut()

    async def _log_out_apart(self, session: LiveSession) -> m.Signal:
        client = new_client(self._app, session)
        try:
            await client.connect()
            await client(functions.auth.LogOutRequest())
        finally:
            await client.disconnect()
        return m.LoggedOut()

    # -- how calls are made

    async def _through_gate(
        self, call: Call, classify: Classify, dc: Callable[[], int], *, background: bool = False
    ) -> m.Signal:
        """Make a call; if it must open a connection first, to `dc`, then when the gate lets it."""
        if self._wire.is_connected:
            return await self._call(call, classify)
        return await self._gate.through(
            self._key, lambda: self._call(call, classify), dc=dc, background=background
        )

    async def _call(self, call: Call, classify: Classify) -> m.Signal:
        """Cross the bridge, and turn a known failure into the signal that it is."""
        try:
            return await in_asyncio(call)
        except Exception as error:
            signal = classify(error, self._clock.now())
            if signal is None:
                raise
            return signal

    def _ended(self, error: BaseException | None) -> None:
        """The connection ended by itself. Of a session's own key, Telethon may know that it is the end of it."""
        now = self._clock.now()
        signal = session_signal(error, now) if error is not None and self._login is None else None
        self._tell(signal if isinstance(signal, m.CredentialLost) else m.ConnectionLost(now))
