"""One session's line to Telegram: the port over a wire, which is either a login's or the session's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from telethon import functions, types
from telethon.errors.common import AuthKeyNotFound

from actors.adapters.telegram.app import TelegramApp, prepare_telethon
from actors.adapters.telegram.apps import TelegramApps
from actors.adapters.telegram.credentials import Credentials, Unusable
from actors.adapters.telegram.failures import answer_signal, login_signal, session_signal
from actors.adapters.telegram.live_session import LiveSession
from actors.adapters.telegram.login import Login
from actors.adapters.telegram.session_file import SessionFiles
from actors.adapters.telegram.session_lock import FileInUse
from actors.adapters.telegram.wire import Wire
from actors.bridge import in_asyncio
from actors.clock import Clock
from actors.core import messages as m
from actors.core.credential import Credential
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.errors import StoreUnavailable
from actors.events import Tell
from actors.guard import Guard, Unguarded
from actors.ports import Gate, Vault

GOODBYE = 5.0

Call = Callable[[], Awaitable[m.Signal]]
Classify = Callable[[BaseException, float], m.Signal | None]


class TelethonLines:
    """Opens lines: the OpenTelegram port for tenants' apps at Telegram, one folder of session files and one vault.

    Each line is given its session's guard when it is opened.
    """

    def __init__(
        self,
        apps: TelegramApps,
        base: Path,
        vault: Vault,
        clock: Clock,
        gate: Gate,
        tell: Tell,
        guards: Callable[[SessionKey], Guard] = lambda _: Unguarded(),
    ) -> None:
        prepare_telethon(apps.service)
        self.apps = apps
        self.credentials = Credentials(SessionFiles(base), vault, tell)
        self.clock = clock
        self.gate = gate
        self._guards = guards

    @asynccontextmanager
    async def __call__(
        self, key: SessionKey, tell: Callable[[m.Signal], None]
    ) -> AsyncIterator[TelethonLine]:
        """The line of this session. Signals that come by themselves go to `tell`."""
        line = TelethonLine(key, tell, self, self._guards(key))
        try:
            yield line
        finally:
            with trio.move_on_after(GOODBYE, shield=True):
                await line.disconnect()

    async def log_out(self, key: SessionKey, credential: Credential, guard: Guard | None = None) -> m.Signal:
        """LoggedOut or CredentialLost, once Telegram knows this key no longer; nobody else may be using it.

        The key is not the session's any more, so its guard is not the session's either.
        """
        line = TelethonLine(key, _nobody, self, guard or Unguarded())
        try:
            return await line.log_out_with(LiveSession.of(credential), background=True)
        finally:
            with trio.move_on_after(GOODBYE, shield=True):
                await line.hang_up()


def _nobody(_: m.Signal) -> None:
    """Who listens to the line of a key that is about to be gone."""


class TelethonLine:
    """The Telegram port over Telethon. Each call crosses the bridge once."""

    def __init__(
        self, key: SessionKey, tell: Callable[[m.Signal], None], lines: TelethonLines, guard: Guard
    ) -> None:
        self._key = key
        self._tell = tell
        self._apps = lines.apps
        self._credentials = lines.credentials
        self._clock = lines.clock
        self._gate = lines.gate
        self._wire = Wire(guard, lambda: tell(m.TokenAccepted()), self._ended)
        self._login: Login | None = None  # None while the wire is the session's
        self._was_denied = False
        self._kept: Credential | None = None  # as it was when it was last kept

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
        return await self._log_in(lambda login: login.sign_in(code), answer_signal)

    async def check_password(self, password: Secret) -> m.Signal:
        """See the port."""
        return await self._log_in(lambda login: login.check_password(password), answer_signal)

    async def import_bot(self, token: Secret) -> m.Signal:
        """See the port."""
        return await self._log_in(lambda login: login.import_bot(token))

    async def abandon_login(self) -> None:
        """See the port. Who is not logged in is told so by Telegram, which does no harm."""
        login = self._login
        if login is not None and self._wire.is_connected:
            await self._call(lambda: self._log_out(login.session), login_signal)
        await self.disconnect()

    async def _log_in(
        self, step: Callable[[Login], Awaitable[m.Signal]], classify: Classify = login_signal
    ) -> m.Signal:
        login = self._login
        if login is None:
            await self.disconnect()
            app = await self._apps.of(self._key.tenant_id, self._clock)
            if not isinstance(app, TelegramApp):
                return app
            login = self._login = Login(app, self._wire, self._clock)
        return await self._through_gate(lambda: step(login), classify, login.session, dc=lambda: login.dc_id)

    # -- the session

    async def connect(self) -> m.Signal:
        """See the port. Telethon's own `is_user_authorized` is no help: it takes any error for a logout."""
        try:
            session = await self._session()
        except Unusable as unusable:
            return m.CredentialUnusable(unusable.reason)
        except FileInUse:
            return m.Unreachable(self._clock.now(), Reason.IN_USE_ELSEWHERE)
        except StoreUnavailable:
            return m.Unreachable(self._clock.now())
        signal = await self._through_gate(
            lambda: self._validate(session), self._session_signal, session, background=True
        )
        if isinstance(signal, m.Online):
            self._was_denied = False
            await self._checkpoint(session)
        return signal

    async def log_out(self) -> m.Signal:
        """See the port. A key that Telegram no longer knows is logged out already."""
        try:
            session = await self._session_that_was()
        except StoreUnavailable:
            session = None
        try:
            if session is None:
                return m.Unreachable(self._clock.now())
            return await self.log_out_with(session)
        finally:
            with trio.move_on_after(GOODBYE, shield=True):
                await self.forget()

    async def log_out_with(self, session: LiveSession, *, background: bool = False) -> m.Signal:
        """LoggedOut, or what a failed call means for this key."""
        return await self._through_gate(
            lambda: self._log_out(session), session_signal, session, background=background
        )

    async def forget(self) -> None:
        """See the port."""
        try:
            await self.hang_up()
            await self._credentials.erase(self._key)
        finally:
            self._credentials.release(self._key)

    async def disconnect(self) -> None:
        """See the port. How far the session's updates are known is kept."""
        try:
            session = await self.hang_up()
            if session is not None:
                await self._checkpoint(session)
        finally:
            self._credentials.release(self._key)

    async def hang_up(self) -> LiveSession | None:
        """Close whatever connection is open; the session's own, if it was that one's."""
        session = self._wire.session if self._login is None else None
        await in_asyncio(self._wire.close)
        self._login = None
        return session

    async def _session(self) -> LiveSession:
        """The session's credential: the one in use, or the one that is kept.

        Raises Unusable, FileInUse and StoreUnavailable.
        """
        if self._login is not None:
            await self.disconnect()
        if self._wire.session is not None:
            return self._wire.session
        self._kept = await self._credentials.take(self._key)
        return LiveSession.of(self._kept)

    async def _session_that_was(self) -> LiveSession | None:
        """The same of a session that has no credential any more."""
        if self._wire.session is not None and self._login is None:
            return self._wire.session
        owed = await self._credentials.owed(self._key)
        return None if owed is None else LiveSession.of(owed)

    async def _checkpoint(self, session: LiveSession) -> None:
        """Keep how far the updates are known, if that has changed or could not be kept in the file before."""
        if session.account_id is None:
            return
        credential = session.credential(session.account_id)
        if credential != self._kept or self._credentials.is_behind(self._key):
            self._kept = credential
            await self._credentials.checkpoint(self._key, credential)

    async def _validate(self, session: LiveSession) -> m.Signal:
        client = await self._wire.client_on(session)
        (user,) = await client(functions.users.GetUsersRequest([types.InputUserSelf()]))
        return m.Online(user.id, self._clock.now())

    async def _log_out(self, session: LiveSession) -> m.Signal:
        client = await self._wire.client_on(session)
        await client(functions.auth.LogOutRequest())
        return m.LoggedOut()

    # -- how calls are made

    async def _through_gate(
        self,
        call: Call,
        classify: Classify,
        session: LiveSession,
        *,
        dc: Callable[[], int] | None = None,
        background: bool = False,
    ) -> m.Signal:
        """Make a call on this key; if it must open a connection first, to `dc`, then when the gate lets it.

        What a tenant has of its own is asked for anew at each connection: so a change of it takes effect.
        """
        if self._wire.is_connected:
            return await self._call(call, classify)
        app = await self._apps.of(self._key.tenant_id, self._clock)
        if not isinstance(app, TelegramApp):
            return app
        self._wire.app = app
        return await self._gate.through(
            self._key,
            lambda: self._call(call, classify),
            dc=dc or (lambda: int(session.dc_id)),
            way=app.speaking(session).way,
            background=background,
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

    def _session_signal(self, error: BaseException, now: float) -> m.Signal | None:
        """What a failed call means for the session. That its key is unknown must be said twice.

        A data centre says that in the transport, without proof, and has been known to be wrong for a moment.
        """
        if isinstance(error, AuthKeyNotFound) and not self._was_denied:
            self._was_denied = True
            return m.Unreachable(now)
        return session_signal(error, now)

    def _ended(self, error: BaseException | None) -> None:
        """The connection ended by itself. Of a session's own key, Telethon may know that it is the end of it."""
        now = self._clock.now()
        signal = self._session_signal(error, now) if error is not None and self._login is None else None
        self._tell(signal if isinstance(signal, m.CredentialLost) else m.ConnectionLost(now))
