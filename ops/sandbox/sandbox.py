"""The sandbox as a whole: what a program that runs it, or a test, holds in its hand."""

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ops.sandbox import operations
from ops.sandbox.accounts import Accounts
from ops.sandbox.codes import PhoneCodes
from ops.sandbox.control import ControlServer
from ops.sandbox.counts import Counts
from ops.sandbox.dc import DataCentre
from ops.sandbox.description import DC_IDS, DcAddress, SandboxDescription, require_loopback
from ops.sandbox.faults import Faults, Rule
from ops.sandbox.files import replace_file
from ops.sandbox.keys import AuthKeys
from ops.sandbox.live import DuplicateUse, FirstWords
from ops.sandbox.ports import listen
from ops.sandbox.rsa_key import RsaKey
from ops.sandbox.state import State, StateFile
from ops.sandbox.tokens import LoginTokens
from ops.sandbox.world import World

API_ID = 1
API_HASH = "5a4db0c5a4db0c5a4db0c5a4db0c5a4d"
TOKEN_LIFE = 30.0
_CONTROL = 0


class Sandbox:
    """Two data centres and their control interface, on loopback, in one asyncio loop.

    With a `directory` it remembers its key, ports, accounts and logins there, and writes `sandbox.json` for its
    clients; without one, every start is an empty sandbox. `token_life` is how long a QR token lives, in seconds.
    Everything here belongs to the loop's own thread.
    """

    def __init__(
        self, directory: Path | None = None, host: str = "127.0.0.1", *, token_life: float = TOKEN_LIFE
    ) -> None:
        require_loopback(host)
        self._directory = directory
        self._host = host
        self._token_life = token_life
        self._file = StateFile(directory)
        self._world: World | None = None
        self._centres: list[DataCentre] = []
        self._control: ControlServer | None = None
        self._outage: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind, and begin to serve. OSError if a remembered port is taken, ValueError for a damaged state."""
        if self._directory is not None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = self._file.load()
        listeners = listen(self._host, (_CONTROL, *DC_IDS), state.ports)
        state.ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
        self._world = world = self._build(state)
        self._centres = [DataCentre(world, dc_id, listeners[dc_id]) for dc_id in DC_IDS]
        self._control = ControlServer(world, listeners[_CONTROL])
        try:
            await self._open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Hang up on everybody and write what changed."""
        if self._control is not None:
            await self._control.stop()
            self._control = None
        await self._end_outage()
        for centre in self._centres:
            await centre.stop()
        self._centres = []
        if self._world is not None:
            self._world.save()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def world(self) -> World:
        """The memory of a started sandbox."""
        if self._world is None:
            raise RuntimeError("start the sandbox first")
        return self._world

    @property
    def description(self) -> SandboxDescription:
        """What clients must know."""
        return self.world.description

    @property
    def accounts(self) -> Accounts:
        """The accounts, by phone number."""
        return self.world.accounts

    @property
    def faults(self) -> Faults:
        """The rules of what goes wrong."""
        return self.world.faults

    @property
    def duplicates(self) -> list[DuplicateUse]:
        """Each time one logged-in key spoke on two live connections at once."""
        return self.world.duplicates

    @property
    def first_words(self) -> list[FirstWords]:
        """What was said first over each connection, the latest thousand."""
        return list(self.world.first_words)

    @property
    def counts(self) -> Counts:
        """What has happened since the start, in numbers."""
        return self.world.counts

    def provision(self, phone: str) -> str:
        """A Telethon session string that is logged in as an account already, without any key exchange."""
        return operations.provision(self.world, phone)

    def accept(self, url: str, phone: str) -> None:
        """Scan a `tg://login?token=…` url with an account's phone; RpcError when it lets nobody in."""
        operations.accept(self.world, url, phone)

    def revoke(self, phone: str, authorization_hash: int | None = None, *, silent: bool = False) -> int:
        """End one login of an account, or all; how many that were. Connected clients are told unless `silent`."""
        return operations.revoke(self.world, phone, authorization_hash, silent=silent)

    def forget(self, session: str) -> None:
        """Forget the auth key of a session string: it meets transport error 404 from now on."""
        operations.forget(self.world, session)

    def forget_keys_of(self, phone: str) -> int:
        """Forget every auth key that an account is logged in with; how many that were."""
        return operations.forget_keys_of(self.world, phone)

    def deny(self, phone: str) -> int:
        """Say once, and wrongly, that an account's keys are not known; on how many connections that was."""
        return operations.deny(self.world, phone)

    def drop(self, *, phone: str | None = None, dc_id: int | None = None) -> int:
        """Close the connections of an account, of a data centre, or all; how many that were."""
        return operations.hang_up(self.world, phone=phone, dc_id=dc_id)

    def reset(self, *, phone: str | None = None, dc_id: int | None = None) -> int:
        """Reset (TCP RST) the connections of an account, of a data centre, or all; how many that were."""
        return operations.hang_up(self.world, phone=phone, dc_id=dc_id, by_reset=True)

    def ban(self, phone: str) -> Rule:
        """Ban an account until the rule is cleared. Connected clients notice."""
        return operations.ban(self.world, phone)

    def burn(self, phone: str) -> int:
        """Destroy an account's logins with AUTH_KEY_DUPLICATED; how many that were. Connected clients notice."""
        return operations.burn(self.world, phone)

    def expire_tokens(self) -> int:
        """Let every living QR token expire now; how many that were."""
        return self.world.tokens.expire_all()

    def migrate(self, phone: str, dc_id: int) -> None:
        """Let an account live on another data centre; clients elsewhere meet USER_MIGRATE from now on."""
        self.accounts.move(phone, dc_id)

    def rotate_salts(self) -> None:
        """Let every client meet `bad_server_salt` when it speaks next."""
        operations.rotate_salts(self.world)

    def skew(self, seconds: float) -> None:
        """Let the server's clock be wrong by so many seconds; clients meet `bad_msg_notification` 16 or 17."""
        self.world.clock.set(seconds)

    def message(self, phone: str, text: str, sender: str | None = None) -> int:
        """Let an account receive a message, from anybody else unless `sender` is a phone; the new `pts`."""
        return operations.message(self.world, phone, text, sender)

    async def restart(self, seconds: float = 0) -> None:
        """Hang up on everybody, and be back on the same ports after so many seconds, with nothing forgotten.

        It goes on to the end even if the caller does not wait. ValueError while the last one goes on.
        """
        if self._outage is not None and not self._outage.done():
            raise ValueError("the data centres are away already: wait until they are back")
        self._outage = asyncio.create_task(self._go_away(seconds))
        await asyncio.shield(self._outage)

    async def _go_away(self, seconds: float) -> None:
        await asyncio.gather(*(centre.restart(seconds) for centre in self._centres))

    async def _end_outage(self) -> None:
        if self._outage is not None:
            self._outage.cancel()
            await asyncio.gather(self._outage, return_exceptions=True)

    def _build(self, state: State) -> World:
        accounts = Accounts(state.accounts, self._save_soon)
        keys = AuthKeys(state.keys, self._save_soon)
        rsa_key = RsaKey.from_pem(state.rsa_key)

        def snapshot() -> State:
            state.accounts, state.keys = list(accounts), list(keys)
            return state

        return World(
            description=self._describe(state, rsa_key),
            rsa_key=rsa_key,
            accounts=accounts,
            keys=keys,
            tokens=LoginTokens(self._token_life, time.time),
            codes=PhoneCodes(time.time),
            save=lambda: self._file.save(snapshot),
            restart=self.restart,
        )

    def _save_soon(self) -> None:
        """Write once this turn of the loop is over, however much it changes."""
        self._file.changed()
        asyncio.get_running_loop().call_soon(self.world.save)

    def _describe(self, state: State, rsa_key: RsaKey) -> SandboxDescription:
        return SandboxDescription(
            dcs=tuple(DcAddress(dc_id, self._host, state.ports[dc_id]) for dc_id in DC_IDS),
            rsa_public_key=rsa_key.public_pem,
            api_id=API_ID,
            api_hash=API_HASH,
            control_url=f"http://{self._host}:{state.ports[_CONTROL]}",
            control_key=state.control_key,
        )

    async def _open(self) -> None:
        if not len(self.accounts):
            _add_default_accounts(self.accounts)
        self._file.changed()
        self.world.save()
        if self._directory is not None:
            replace_file(self._directory / "sandbox.json", self.description.to_json().encode())
        for centre in self._centres:
            await centre.start()
        if self._control is not None:
            await self._control.start()


def _add_default_accounts(accounts: Accounts) -> None:
    """Three people: on the home DC, on the home DC with a 2FA password, and on the other DC."""
    accounts.add("Anna", phone="9996621001")
    accounts.add("Boris", phone="9996621002", password="sandbox-2fa", hint="the word sandbox, a dash, 2fa")  # noqa: S106 - made up
    accounts.add("Clara", phone="9996611003")
