"""A session's line in the simulation: the Telegram port, with latency and with everything that can go wrong."""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors.core import messages as m
from actors.core.credential import Credential
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason
from actors.errors import StoreUnavailable
from tests.fakes import SERVICE, FakeAccount
from tests.simulation.world import TOKEN_LIFE, AuthKey, FarSide, World

Act = Callable[[], m.Signal]
BOT_TOKEN = "1:token"
TROUBLES = ("unreachable", "answer lost", "flood", "dropped", "stall", "late stall", "slow")


class UnheardOf(Exception):
    """An error that no table knows."""


class Line:
    """Keeps to the port as the Telethon line does: a login's key and the session's are never connected together."""

    def __init__(self, world: World, far: FarSide, tell: Callable[[m.Signal], None]) -> None:
        self.tell = tell
        self.login: AuthKey | None = None
        self.using: AuthKey | None = None
        self._world = world
        self._far = far

    # -- the port

    async def export_token(self) -> m.Signal:
        return await self._login_call("export_token", self._token_or_outcome)

    async def send_code(self, phone: Secret) -> m.Signal:  # noqa: ARG002 - any number reaches the account
        return await self._login_call("send_code", lambda: self._code_sent("app", "sms"))

    async def send_code_again(self) -> m.Signal:
        return await self._login_call("send_code_again", lambda: self._code_sent("sms", None))

    async def sign_in(self, code: Secret) -> m.Signal:
        return await self._login_call("sign_in", lambda: self._code_checked(code.reveal()))

    async def check_password(self, password: Secret) -> m.Signal:
        return await self._login_call("check_password", lambda: self._password_checked(password.reveal()))

    async def import_bot(self, token: Secret) -> m.Signal:
        return await self._login_call("import_bot", lambda: self._bot_let_in(token.reveal()))

    async def abandon_login(self) -> None:
        login = self.login
        if login is None:
            return
        signal = (
            m.LoggedOut()
            if self.using is not login
            else await self._call("abandon_login", login, m.LoggedOut)
        )
        if isinstance(signal, m.LoggedOut) and self.using is login:
            login.ended = Reason.REQUESTED
        elif login.is_valid:
            self._world.rules.note("valid login key forgotten", self._far.key)
        self._drop_login()

    async def connect(self) -> m.Signal:
        self._drop_login()
        key = await self._taken()
        if isinstance(key, AuthKey):
            return await self._call("connect", key, lambda: self._validated(key))
        return key

    async def disconnect(self) -> None:
        await self._call("disconnect", None, m.LoggedOut)
        self._drop_login()
        self.hang_up()

    async def log_out(self) -> m.Signal:
        self._drop_login()
        key = self.using or self._far.on_disk
        try:
            return m.Unreachable(self._now()) if key is None else await self.log_out_with(key)
        finally:
            self.hang_up()
            self._far.on_disk = None

    async def log_out_with(self, key: AuthKey) -> m.Signal:
        return await self._call("log_out", key, lambda: self._logged_out(key))

    async def forget(self) -> None:
        self._drop_login()
        self.hang_up()
        self._far.on_disk = None

    async def _taken(self) -> AuthKey | m.Signal:
        """The session's key: the one in use, or the one that the vault has."""
        if self.using is not None:
            return self.using
        try:
            credential = await self._world.vault.current(self._far.key)
        except StoreUnavailable:
            return m.Unreachable(self._now())
        if credential is None:
            return m.CredentialUnusable(Reason.CREDENTIAL_MISSING)
        key = self._far.on_disk = self._world.keys[credential.auth_key]
        return key

    # -- connections

    def use(self, key: AuthKey) -> None:
        """Be connected with this key, and with no other."""
        if self.using is not key:
            self.hang_up()
            self.using = key
            self._world.connected(self._far, key)

    def hang_up(self) -> None:
        """Close whatever connection is open."""
        if self.using is not None:
            self.using.connections -= 1
            self.using = None

    def lose_connection(self, why: m.Signal | None = None) -> None:
        """The connection ends by itself, which is told."""
        if self.using is not None:
            self.hang_up()
            self.tell(why or m.ConnectionLost(self._now()))

    def _drop_login(self) -> None:
        if self.login is not None:
            if self.using is self.login:
                self.hang_up()
            self.login = None

    # -- calls

    async def _login_call(self, method: str, act: Act) -> m.Signal:
        if self.login is None:
            self.login = self._world.new_key()
        return await self._call(method, self.login, act)

    async def _call(self, method: str, key: AuthKey | None, act: Act) -> m.Signal:
        world, far = self._world, self._far
        trouble = self._trouble(method)
        world.rules.note(method, far.key, trouble)
        if key is None or self.using is key:
            return await self._answer(trouble, act)

        async def attempt() -> m.Signal:
            await trio.sleep(world.chance.uniform(0.01, 0.4))
            if not world.outage:
                self.use(key)
            return await self._answer(trouble, act)

        by_itself = key is not self.login
        return await world.gate.through(
            far.key, attempt, dc=lambda: far.dc, way=SERVICE, background=by_itself
        )

    def _trouble(self, method: str) -> str | None:
        world, chance = self._world, self._world.chance
        if self._far.poisoned:
            return "unheard of"
        if world.outage and method not in {"abandon_login", "disconnect"}:
            return "unreachable"
        if chance.random() >= world.trouble:
            return None
        if self._far.fragile and chance.random() < 0.3:
            return "unheard of"
        return chance.choice(TROUBLES)

    async def _answer(self, trouble: str | None, act: Act) -> m.Signal:
        await trio.sleep(self._world.chance.uniform(0.01, 0.4))
        match trouble:
            case None:
                return act()
            case "unreachable":
                return m.Unreachable(self._now())
            case "answer lost":
                act()
                return m.Unreachable(self._now())
            case "flood":
                return m.FloodWaited(self._now() + self._world.chance.choice((3.0, 40.0, 900.0)))
            case "dropped":
                self.lose_connection()
                return m.Unreachable(self._now())
            case "late stall" | "stall":
                if trouble == "late stall":
                    act()
                await trio.sleep_forever()
            case "slow":
                await trio.sleep(self._world.chance.uniform(1.0, 40.0))
                return act()
        raise UnheardOf("an error that no table knows")

    def _now(self) -> float:
        return self._world.clock.now()

    # -- what Telegram says

    def _token_or_outcome(self) -> m.Signal:
        login = self._of_login()
        if login.let_in is not None:
            return self._first_factor_done(login, login.let_in)
        now = self._now()
        if not login.tokens or now >= login.tokens[-1].expires_at - 3.0:
            url = Secret(f"tg://login?token={self._world.number()}")
            login.tokens.append(QrToken(url, now + TOKEN_LIFE))
        return m.TokenIssued(now, login.tokens[-1])

    def _of_login(self) -> AuthKey:
        assert self.login is not None, "no login is under way"
        return self.login

    def _code_sent(self, delivery: str, next_delivery: str | None) -> m.Signal:
        self._of_login().code_sent = True
        resend_at = self._now() + 60.0 if next_delivery else None
        return m.CodeSent(delivery, 5, next_delivery, resend_at)

    def _bot_let_in(self, token: str) -> m.Signal:
        if token != BOT_TOKEN:
            return m.LoginFailed(Reason.BOT_TOKEN_INVALID)
        login = self._of_login()
        login.let_in = self._far.account
        return self._signed_in(login, self._far.account)

    def _signed_in(self, login: AuthKey, account: FakeAccount) -> m.Signal:
        login.account = account
        return m.SignedIn(Credential(account.id, self._far.dc, "127.0.0.1", 443, login.secret))

    def _code_checked(self, code: str) -> m.Signal:
        login = self._of_login()
        if not login.code_sent:
            return m.LoginFailed(Reason.CODE_EXPIRED)
        if code != self._far.account.code:
            return m.CodeRejected()
        return self._first_factor_done(login, self._far.account)

    def _first_factor_done(self, login: AuthKey, account: FakeAccount) -> m.Signal:
        login.let_in = account
        if account.password is not None and login.account is None:
            return m.PasswordNeeded(self._now(), account.hint)
        return self._signed_in(login, account)

    def _password_checked(self, password: str) -> m.Signal:
        login = self._of_login()
        if login.let_in is None:
            return m.LoginFailed(Reason.LOGIN_REFUSED)
        if password != login.let_in.password:
            return m.PasswordRejected()
        return self._signed_in(login, login.let_in)

    def _validated(self, key: AuthKey) -> m.Signal:
        if key.ended is not None:
            return m.CredentialLost(key.ended)
        assert key.account is not None, "only a key that is logged in becomes a credential"
        now = self._now()
        return m.AccountFrozen(now) if self._far.frozen else m.Online(key.account.id, now)

    def _logged_out(self, key: AuthKey) -> m.Signal:
        self._world.logged_out(self._far, key)
        return m.LoggedOut()
