"""One session's line to Telegram: at most one Telethon client at a time, either a login's or the session's."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from telethon import TelegramClient, events, functions, types
from telethon import errors as t
from telethon.password import compute_check

from actors.adapters.telegram.app import TelegramApp, new_client, prepare_telethon
from actors.adapters.telegram.failures import login_signal, session_signal
from actors.adapters.telegram.session_file import LiveSession, SessionFiles
from actors.bridge import in_asyncio
from actors.clock import Clock
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason
from actors.ports import Gate

GOODBYE = 5.0
FIRST_DC = 2
"""Where Telethon begins with a new key, unless the app has a home."""

Classify = Callable[[BaseException, float], m.Signal | None]


class TelethonLines:
    """Opens lines: the OpenTelegram port for one app at Telegram and one folder of session files."""

    def __init__(self, app: TelegramApp, base: Path, clock: Clock, gate: Gate) -> None:
        prepare_telethon(app)
        self._app = app
        self._files = SessionFiles(base)
        self._clock = clock
        self._gate = gate

    @asynccontextmanager
    async def __call__(
        self, key: SessionKey, tell: Callable[[m.Signal], None]
    ) -> AsyncIterator[TelethonLine]:
        """The line of this session. Signals that come by themselves go to `tell`."""
        line = TelethonLine(key, tell, self._app, self._files, self._clock, self._gate)
        try:
            yield line
        finally:
            with trio.move_on_after(GOODBYE, shield=True):
                await line.disconnect()


class TelethonLine:
    """The Telegram port over Telethon. Its asyncio parts run inside one crossing of the bridge each."""

    def __init__(
        self,
        key: SessionKey,
        tell: Callable[[m.Signal], None],
        app: TelegramApp,
        files: SessionFiles,
        clock: Clock,
        gate: Gate,
    ) -> None:
        self._key = key
        self._tell = tell
        self._app = app
        self._files = files
        self._clock = clock
        self._gate = gate
        self._client: TelegramClient | None = None
        self._login: LiveSession | None = (
            None  # the key of a login under way; None when the client is the session's
        )
        self._old_key: LiveSession | None = None  # of the session that a login in place has replaced
        self._watched: asyncio.Future[None] | None = None
        self._phone = Secret("")
        self._code_hash = ""

    # -- a login

    async def export_token(self) -> m.Signal:
        """See the port. Handles all three answers: a token, success, and `migrate to another DC`.

        The token of a migration belongs to this connection's key, so the same client goes over
        (core.telegram.org/api/qr-login).
        """
        return await self._try(self._export_token, login_signal, dc=self._login_dc)

    async def send_code(self, phone: Secret) -> m.Signal:
        """See the port."""
        self._phone = phone
        return await self._try(self._send_code, login_signal, dc=self._login_dc)

    async def send_code_again(self) -> m.Signal:
        """See the port."""
        return await self._try(self._send_code_again, login_signal)

    async def sign_in(self, code: Secret) -> m.Signal:
        """See the port."""
        return await self._try(lambda: self._sign_in(code), login_signal)

    async def check_password(self, password: Secret) -> m.Signal:
        """See the port."""
        return await self._try(lambda: self._check_password(password), login_signal)

    async def import_bot(self, token: Secret) -> m.Signal:
        """See the port."""
        return await self._try(lambda: self._import_bot(token), login_signal, dc=self._login_dc)

    async def adopt(self, account_id: int) -> m.Signal:
        """See the port. The key is on disk before its connection is closed, so it cannot get lost between."""
        if self._login is None:
            raise RuntimeError("there is no login to adopt")
        self._old_key = await trio.to_thread.run_sync(self._files.read, self._key)
        await trio.to_thread.run_sync(self._files.write, self._key, self._login)
        await self.disconnect()
        return m.Adopted(account_id)

    async def log_out_old_key(self) -> None:
        """See the port. It has a connection of its own, beside that of the new key."""
        old, self._old_key = self._old_key, None
        if old is not None:
            await self._try(lambda: self._log_out_once(old), session_signal)

    async def abandon_login(self, *, log_out: bool) -> None:
        """See the port."""
        if self._login is not None and log_out:
            await self._try(self._log_out_here, login_signal)
        if self._login is not None:
            await self.disconnect()

    async def _export_token(self) -> m.Signal:
        client = await self._login_client()
        request = functions.auth.ExportLoginTokenRequest(self._app.api_id, self._app.api_hash.reveal(), [])
        try:
            answer = await client(request)
            while isinstance(answer, types.auth.LoginTokenMigrateTo):
                self._watched = None  # this connection is about to end, and should
                await client._switch_dc(answer.dc_id)  # noqa: SLF001 - what Telethon's own QRLogin does
                self._watch(client)
                answer = await client(functions.auth.ImportLoginTokenRequest(answer.token))
        except t.SessionPasswordNeededError:
            return await self._password_needed(client)
        if isinstance(answer, types.auth.LoginTokenSuccess):
            return m.SignedIn(answer.authorization.user.id)
        return m.TokenIssued(self._clock.now(), self._token(client, answer))

    def _token(self, client: TelegramClient, answer: types.auth.LoginToken) -> QrToken:
        text = base64.urlsafe_b64encode(answer.token).decode().rstrip("=")
        # `expires` is on the server's clock; Telethon knows how far ours is from it.
        expires_at = answer.expires.timestamp() - client._sender._state.time_offset  # noqa: SLF001
        return QrToken(Secret(f"tg://login?token={text}"), expires_at)

    async def _password_needed(self, client: TelegramClient) -> m.Signal:
        password = await client(functions.account.GetPasswordRequest())
        # Anybody can note anything as a hint; what cannot be printed cannot be stored either.
        hint = "".join(letter for letter in password.hint or "" if letter.isprintable())
        return m.PasswordNeeded(self._clock.now(), hint or None)

    async def _send_code(self) -> m.Signal:
        client = await self._login_client()
        request = functions.auth.SendCodeRequest(
            self._phone.reveal(), self._app.api_id, self._app.api_hash.reveal(), types.CodeSettings()
        )
        return self._code_sent(await client(request))

    async def _send_code_again(self) -> m.Signal:
        client = await self._login_client()
        return self._code_sent(
            await client(functions.auth.ResendCodeRequest(self._phone.reveal(), self._code_hash))
        )

    def _code_sent(self, sent: types.auth.SentCode) -> m.Signal:
        if isinstance(sent, types.auth.SentCodeSuccess):
            return m.SignedIn(sent.authorization.user.id)
        self._code_hash = sent.phone_code_hash
        way = type(sent.type).__name__.removeprefix("SentCodeType").lower()
        next_way = type(sent.next_type).__name__.removeprefix("CodeType").lower() if sent.next_type else None
        resend_at = self._clock.now() + sent.timeout if sent.timeout else None
        return m.CodeSent(way, getattr(sent.type, "length", None), next_way, resend_at)

    async def _sign_in(self, code: Secret) -> m.Signal:
        client = await self._login_client()
        request = functions.auth.SignInRequest(self._phone.reveal(), self._code_hash, code.reveal())
        try:
            answer = await client(request)
        except t.SessionPasswordNeededError:
            return await self._password_needed(client)
        if isinstance(answer, types.auth.AuthorizationSignUpRequired):
            return m.LoginFailed(Reason.PHONE_NUMBER_UNOCCUPIED)
        return m.SignedIn(answer.user.id)

    async def _check_password(self, password: Secret) -> m.Signal:
        client = await self._login_client()
        try:
            return await self._prove(client, password)
        except (t.SrpIdInvalidError, t.SrpPasswordChangedError):
            return await self._prove(client, password)  # what we computed with has changed: once more, afresh

    async def _prove(self, client: TelegramClient, password: Secret) -> m.Signal:
        challenge = await client(functions.account.GetPasswordRequest())
        # PBKDF2 with 100,000 rounds: a third of a second, not on the loop that everybody shares.
        proof = await asyncio.to_thread(compute_check, challenge, password.reveal())
        answer = await client(functions.auth.CheckPasswordRequest(proof))
        return m.SignedIn(answer.user.id)

    async def _import_bot(self, token: Secret) -> m.Signal:
        client = await self._login_client()
        app_id, app_hash = self._app.api_id, self._app.api_hash.reveal()
        try:
            answer = await client(
                functions.auth.ImportBotAuthorizationRequest(0, app_id, app_hash, token.reveal())
            )
        except (t.AccessTokenInvalidError, t.AccessTokenExpiredError):
            return m.LoginFailed(Reason.BOT_TOKEN_INVALID)
        return m.SignedIn(answer.user.id)

    async def _login_client(self) -> TelegramClient:
        """The login's connected client; the same key again if only the connection was lost."""
        if self._login is None:
            await self._close()
            self._login = LiveSession()
        return await self._connected(self._login)

    # -- the session

    async def connect(self) -> m.Signal:
        """See the port. Telethon's own `is_user_authorized` is no help: it takes any error for a logout."""
        session = await self._session()
        if session is None:
            return m.CredentialMissing()
        return await self._try(
            lambda: self._validate(session), session_signal, dc=lambda: session.dc_id, background=True
        )

    async def log_out(self) -> m.Signal:
        """See the port. A key that Telegram no longer knows is logged out already."""
        session = await self._session()
        if session is not None:
            signal = await self._try(lambda: self._log_out(session), session_signal, dc=lambda: session.dc_id)
            if not isinstance(signal, m.LoggedOut | m.CredentialLost):
                return signal
        await self.disconnect()
        await trio.to_thread.run_sync(self._files.erase, self._key)
        return m.LoggedOut()

    async def disconnect(self) -> None:
        """See the port."""
        await in_asyncio(self._close)
        self._login = None

    async def _session(self) -> LiveSession | None:
        """The session's credential: the one in use, or else the file's."""
        if self._login is not None:
            await self.disconnect()
        if self._client is not None:
            session: LiveSession = self._client.session
            return session
        return await trio.to_thread.run_sync(self._files.read, self._key)

    async def _validate(self, session: LiveSession) -> m.Signal:
        client = await self._connected(session)
        (user,) = await client(functions.users.GetUsersRequest([types.InputUserSelf()]))
        return m.Online(user.id, self._clock.now())

    async def _log_out(self, session: LiveSession) -> m.Signal:
        await self._connected(session)
        return await self._log_out_here()

    async def _log_out_once(self, session: LiveSession) -> m.Signal:
        client = new_client(self._app, session)
        try:
            await client.connect()
            await client(functions.auth.LogOutRequest())
        finally:
            await client.disconnect()
        return m.LoggedOut()

    async def _log_out_here(self) -> m.Signal:
        if self._client is not None:
            await self._client(functions.auth.LogOutRequest())
        return m.LoggedOut()

    # -- the connection

    async def _try(
        self,
        call: Callable[[], Awaitable[m.Signal]],
        classify: Classify,
        *,
        dc: Callable[[], int] | None = None,
        background: bool = False,
    ) -> m.Signal:
        """Make a call over the bridge; one that opens a connection, to `dc`, passes the gate first."""

        async def attempt() -> m.Signal:
            return await self._call(call, classify)

        if dc is None or (self._client is not None and self._client.is_connected()):
            return await attempt()
        return await self._gate.through(self._key, attempt, dc=dc, background=background)

    async def _call(self, call: Callable[[], Awaitable[m.Signal]], classify: Classify) -> m.Signal:
        """Turn a known failure into the signal that it is."""
        try:
            return await in_asyncio(call)
        except Exception as error:
            signal = classify(error, self._clock.now())
            if signal is None:
                raise
            return signal

    def _login_dc(self) -> int:
        """Where the login's key is at home now; a new key begins where the app says."""
        home = FIRST_DC if self._app.home is None else self._app.home.id
        return (self._login.dc_id or home) if self._login is not None else home

    async def _connected(self, session: LiveSession) -> TelegramClient:
        """The client on this session, connected. A client that lost its connection is never used again."""
        client = self._client
        # Watched: a client whose connect was cut short may look connected, and has not said who it is.
        if client is not None and client.session is session and self._watched and client.is_connected():
            return client
        await self._close()
        client = self._client = new_client(self._app, session)
        client.add_event_handler(self._token_accepted, events.Raw(types.UpdateLoginToken))
        await client.connect()
        self._watch(client)
        return client

    async def _token_accepted(self, _update: types.UpdateLoginToken) -> None:
        self._tell(m.TokenAccepted())

    def _watch(self, client: Any) -> None:
        """Hear of it when this connection ends by itself."""
        disconnected = self._watched = client.disconnected

        def ended(future: asyncio.Future[None]) -> None:
            error = None if future.cancelled() else future.exception()
            if self._watched is disconnected:
                self._ended(client._updates_error or error)  # noqa: SLF001 - why its update loop gave up

        disconnected.add_done_callback(ended)

    def _ended(self, error: BaseException | None) -> None:
        now = self._clock.now()
        signal = session_signal(error, now) if error is not None and self._login is None else None
        self._tell(signal if isinstance(signal, m.CredentialLost) else m.ConnectionLost(now))

    async def _close(self) -> None:
        """Close the connection that is open, if any, and expect its end."""
        client, self._client, self._watched = self._client, None, None
        if client is not None:
            await client.disconnect()
