"""A login under way: what lets a fresh key in, by QR, code, password or bot token. All of it is asyncio code."""

from __future__ import annotations

import asyncio
import base64

from telethon import TelegramClient, functions, types
from telethon import errors as t
from telethon.password import compute_check

from actors.adapters.telegram.app import TelegramApp
from actors.adapters.telegram.live_session import LiveSession
from actors.adapters.telegram.wire import Wire
from actors.clock import Clock
from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason

FIRST_DC = 2
"""Where Telethon begins with a new key, unless the app has a home."""


class Login:
    """One login, on a key of its own, which nobody knows until Telegram has let it in."""

    def __init__(self, app: TelegramApp, wire: Wire, clock: Clock) -> None:
        self._app = app
        self._wire = wire
        self._clock = clock
        self.session = LiveSession()
        self.session.api_id = app.api_id
        self._phone = Secret("")
        self._code_hash = ""

    @property
    def dc_id(self) -> int:
        """Where the key is at home now; a new one begins where the app says."""
        home = FIRST_DC if self._app.home is None else self._app.home.id
        return int(self.session.dc_id or home)

    async def export_token(self) -> m.Signal:
        """A token to show, or its outcome.

        Handles all three answers: a token, success, and `migrate to another DC`. The token of a migration
        belongs to this connection's key, so the same client goes over (core.telegram.org/api/qr-login).
        """
        client = await self._client()
        request = functions.auth.ExportLoginTokenRequest(self._app.api_id, self._app.api_hash.reveal(), [])
        try:
            answer = await client(request)
            while isinstance(answer, types.auth.LoginTokenMigrateTo):
                await self._wire.switch_dc(answer.dc_id)
                answer = await client(functions.auth.ImportLoginTokenRequest(answer.token))
        except t.SessionPasswordNeededError:
            return await self._password_needed(client)
        if isinstance(answer, types.auth.LoginTokenSuccess):
            return self._signed_in(answer.authorization.user.id)
        return m.TokenIssued(self._clock.now(), _token(client, answer))

    async def send_code(self, phone: Secret) -> m.Signal:
        """Ask for a login code."""
        self._phone = phone
        client = await self._client()
        request = functions.auth.SendCodeRequest(
            phone.reveal(), self._app.api_id, self._app.api_hash.reveal(), types.CodeSettings()
        )
        return self._code_sent(await client(request))

    async def send_code_again(self) -> m.Signal:
        """Ask for it by the next way."""
        client = await self._client()
        request = functions.auth.ResendCodeRequest(self._phone.reveal(), self._code_hash)
        return self._code_sent(await client(request))

    async def sign_in(self, code: Secret) -> m.Signal:
        """Hand in the code."""
        client = await self._client()
        request = functions.auth.SignInRequest(self._phone.reveal(), self._code_hash, code.reveal())
        try:
            answer = await client(request)
        except t.SessionPasswordNeededError:
            return await self._password_needed(client)
        if isinstance(answer, types.auth.AuthorizationSignUpRequired):
            return m.LoginFailed(Reason.PHONE_NUMBER_UNOCCUPIED)
        return self._signed_in(answer.user.id)

    async def check_password(self, password: Secret) -> m.Signal:
        """Prove knowledge of the 2FA password (core.telegram.org/api/srp)."""
        client = await self._client()
        try:
            return await self._prove(client, password)
        except (t.SrpIdInvalidError, t.SrpPasswordChangedError):
            return await self._prove(client, password)  # what we computed with has changed: once more, afresh

    async def import_bot(self, token: Secret) -> m.Signal:
        """Log a bot in by its token."""
        client = await self._client()
        request = functions.auth.ImportBotAuthorizationRequest(
            0, self._app.api_id, self._app.api_hash.reveal(), token.reveal()
        )
        try:
            answer = await client(request)
        except (t.AccessTokenInvalidError, t.AccessTokenExpiredError):
            return m.LoginFailed(Reason.BOT_TOKEN_INVALID)
        return self._signed_in(answer.user.id)

    async def _client(self) -> TelegramClient:
        """The client on the login's key; the same key again if only the connection was lost."""
        return await self._wire.client_on(self.session)

    async def _password_needed(self, client: TelegramClient) -> m.Signal:
        password = await client(functions.account.GetPasswordRequest())
        # Anybody can note anything as a hint; what cannot be printed cannot be stored either.
        hint = "".join(letter for letter in password.hint or "" if letter.isprintable())
        return m.PasswordNeeded(self._clock.now(), hint or None)

    async def _prove(self, client: TelegramClient, password: Secret) -> m.Signal:
        challenge = await client(functions.account.GetPasswordRequest())
        # PBKDF2 with 100,000 rounds: a third of a second, not on the loop that everybody shares.
        proof = await asyncio.to_thread(compute_check, challenge, password.reveal())
        answer = await client(functions.auth.CheckPasswordRequest(proof))
        return self._signed_in(answer.user.id)

    def _code_sent(self, sent: types.auth.SentCode) -> m.Signal:
        if isinstance(sent, types.auth.SentCodeSuccess):
            return self._signed_in(sent.authorization.user.id)
        self._code_hash = sent.phone_code_hash
        way = type(sent.type).__name__.removeprefix("SentCodeType").lower()
        next_way = type(sent.next_type).__name__.removeprefix("CodeType").lower() if sent.next_type else None
        resend_at = self._clock.now() + sent.timeout if sent.timeout else None
        return m.CodeSent(way, getattr(sent.type, "length", None), next_way, resend_at)

    def _signed_in(self, account_id: int) -> m.SignedIn:
        return m.SignedIn(self.session.credential(account_id))


def _token(client: TelegramClient, answer: types.auth.LoginToken) -> QrToken:
    text = base64.urlsafe_b64encode(answer.token).decode().rstrip("=")
    # `expires` is on the server's clock; Telethon knows how far ours is from it.
    expires_at = answer.expires.timestamp() - client._sender._state.time_offset  # noqa: SLF001
    return QrToken(Secret(f"tg://login?token={text}"), expires_at)
