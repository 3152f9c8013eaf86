"""`python -m ops.bench.memory [SESSIONS]`: what a connected session costs, ours and plain Telethon's.

Both are connected to a sandbox of their own making and have said who they are; each kind lives in a process of its
own, whose memory and descriptors are taken before the first session and after the last. RSS is what the process has
in memory, USS what of it nobody else has (proc_pid_smaps(5), Private_Clean and Private_Dirty). Ours has its file
written and locked, as in the service; what the actor around it costs is not counted.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from telethon import TelegramClient, functions, types
from telethon.sessions import SQLiteSession, StringSession

from actors.adapters.telegram import DcAddress, SessionFiles, TelegramApp
from actors.adapters.telegram.app import new_client, prepare_telethon
from actors.adapters.telegram.live_session import LiveSession
from actors.core.credential import Credential
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.guard import Unguarded
from ops.sandbox.client import trust
from ops.sandbox.description import SandboxDescription
from ops.sandbox.remote import ask

SESSIONS = 200
AT_ONCE = 20
KINDS = ("ours", "plain")


@dataclass(frozen=True, slots=True)
class Use:
    """What a process uses: kilobytes, and descriptors."""

    rss: float
    uss: float
    descriptors: float

    @classmethod
    def now(cls) -> Use:
        gc.collect()
        lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
        size = {line[0]: int(line[1]) for line in lines}
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        return cls(size["Rss:"], size["Private_Clean:"] + size["Private_Dirty:"], descriptors)

    def each(self, before: Use, sessions: int) -> Use:
        """What one session added."""
        return Use(
            (self.rss - before.rss) / sessions,
            (self.uss - before.uss) / sessions,
            (self.descriptors - before.descriptors) / sessions,
        )


def app_of(sandbox: SandboxDescription) -> TelegramApp:
    home = DcAddress(*sandbox.dc(sandbox.home_dc))
    return TelegramApp(sandbox.api_id, Secret(sandbox.api_hash), home, sandbox.rsa_public_key)


def our_client(
    sandbox: SandboxDescription, files: SessionFiles, number: int, login: StringSession
) -> TelegramClient:
    """A client as the service has it, its file written and locked."""
    key = SessionKey("ours", f"app{number}")
    auth_key = Secret(login.auth_key.key.hex())
    credential = Credential(number + 1, login.dc_id, login.server_address, login.port, auth_key)
    files.claim(key)
    files.write(key, credential)
    return new_client(app_of(sandbox), LiveSession.of(credential), Unguarded())


def plain_client(
    sandbox: SandboxDescription, files: SessionFiles, number: int, login: StringSession
) -> TelegramClient:
    """A client as anybody makes one."""
    session = SQLiteSession(str(files.path(SessionKey("plain", f"app{number}"))))
    session.set_dc(login.dc_id, login.server_address, login.port)
    session.auth_key = login.auth_key
    session.save()
    return TelegramClient(session, sandbox.api_id, sandbox.api_hash)


async def connect_all(kind: str, sandbox: SandboxDescription, folder: Path, logins: list[str]) -> Use:
    """Connect every session; what one of them costs."""
    make = our_client if kind == "ours" else plain_client
    files = SessionFiles(folder)
    clients: list[TelegramClient] = []

    async def connect(number: int) -> None:
        client = make(sandbox, files, number, StringSession(logins[number]))
        await client.connect()
        await client(functions.users.GetUsersRequest([types.InputUserSelf()]))
        clients.append(client)

    await connect(0)  # what is made once for all sessions is there by then
    before = Use.now()
    for first in range(1, len(logins), AT_ONCE):
        await asyncio.gather(*map(connect, range(first, min(first + AT_ONCE, len(logins)))))
    after = Use.now()
    for client in clients:
        await client.disconnect()
    return after.each(before, len(logins) - 1)


def measure_here(kind: str, description: str, logins: str) -> None:
    """In a process of its own: connect, and print what a session costs as JSON."""
    sandbox = SandboxDescription.from_json(Path(description).read_text())
    if kind == "ours":
        prepare_telethon(app_of(sandbox))
    else:
        trust(sandbox)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "plain").mkdir()
        use = asyncio.run(connect_all(kind, sandbox, Path(folder), json.loads(Path(logins).read_text())))
    print(json.dumps([use.rss, use.uss, use.descriptors]))


def phones_in(sandbox: SandboxDescription, sessions: int) -> list[str]:
    """The phones of new accounts."""
    phones = [f"999662{number:04d}" for number in range(sessions)]
    for phone in phones:
        ask(sandbox, "POST", "/accounts", {"first_name": "Person", "phone": phone})
    return phones


def logins_of(sandbox: SandboxDescription, phones: list[str]) -> list[str]:
    """Session strings that are logged in to the accounts, each with a key of its own."""
    return [str(ask(sandbox, "POST", "/provision", {"phone": phone})["session"]) for phone in phones]


@contextmanager
def sandbox_in(folder: Path) -> Iterator[Path]:
    """A sandbox in a process of its own; the file that describes it."""
    command = [sys.executable, "-m", "ops.sandbox", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - stdout=PIPE
        process.stdout.readline()
        yield folder / "sandbox.json"
        process.terminate()


def measure(kind: str, description: Path, logins: list[str]) -> None:
    """Print what one session of this kind costs."""
    file = description.with_name(f"{kind}.json")
    file.write_text(json.dumps(logins))
    child = [sys.executable, "-m", "ops.bench.memory", kind, str(description), str(file)]
    said = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout
    rss, uss, descriptors = json.loads(said)
    print(f"{kind:5}: {rss:6.1f} kB RSS, {uss:6.1f} kB USS, {descriptors:.2f} descriptors", flush=True)


def main() -> None:
    if len(sys.argv) > 2:  # noqa: PLR2004 - the child's arguments
        measure_here(*sys.argv[1:])
        return
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    with tempfile.TemporaryDirectory() as name, sandbox_in(Path(name)) as description:
        sandbox = SandboxDescription.from_json(description.read_text())
        phones = phones_in(sandbox, sessions)
        print(f"a connected session, of {sessions}", flush=True)
        for kind in KINDS:
            measure(kind, description, logins_of(sandbox, phones))


if __name__ == "__main__":
    main()
