"""Which node this is on its machine: a slot in the folder of sessions, locked while it is used; who had it before.

    .nodes/0         who is here: a line of JSON, locked with flock until the process is gone, however it goes
    .nodes/place     the folder's own name, which no other folder has
    .nodes/0.ports   which local ports lead to data centres now, a bit each, and when one was last reset

Whoever finds the lock of a slot free knows that its process is dead, and can see in the kernel's own list whether the
data centre has acknowledged the end of each of its connections. That is an attested death: nobody waits for silence.
Not for network file systems, whose locks mean less.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import re
import secrets
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from actors.clock import Boottime
from actors.core.owners import NodeEpoch
from supervisor.settings import SettingsError

FOLDER = ".nodes"
PLACE = "place"
MOST = 64
"""Supervisors on one folder."""

_PLACE = re.compile(r"[0-9a-f]{16}")
_SLOT = re.compile(r"[0-9]{1,2}")
_BITS = 65536 // 8
_PORTS_BYTES = _BITS + 8
_UNSEEN = 0
"""The port that stands for connections through a proxy: nobody can see how they end."""

ACKNOWLEDGED = frozenset({0x05, 0x06})
"""FIN_WAIT2 and TIME_WAIT of /proc/net/tcp: the other side has acknowledged our end. Source: linux/tcp_states.h."""


@dataclass(frozen=True, slots=True)
class Occupant:
    """The process that is, or was last, in a slot. `number` is 0 if it has left in peace, or not begun yet."""

    node_id: str
    number: int = 0
    pid: int = 0
    boot_id: str = ""
    network: int = 0
    """The network namespace, whose list of sockets shows its own."""
    gone_at: float = 0.0
    """Since when it is known to be dead, on the machine's own clock; 0 as long as nobody has looked."""

    @property
    def life(self) -> NodeEpoch:
        """Its life at the arbiter."""
        return NodeEpoch(self.node_id, self.number)


class SocketNotes:
    """Which local ports lead to data centres, noted where it outlasts this process."""

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.truncate(_PORTS_BYTES)
            self._map = mmap.mmap(file.fileno(), _PORTS_BYTES)

    def opened(self, port: int) -> None:
        """See `supervisor.owner.claims.Ports`."""
        self._map[port // 8] |= 1 << port % 8

    def ended(self, port: int) -> None:
        """See `supervisor.owner.claims.Ports`."""
        if port != _UNSEEN:
            self._map[port // 8] &= ~(1 << port % 8) & 0xFF

    def aborted(self, port: int, at: float) -> None:
        """It was reset at this moment, on the machine's own clock."""
        struct.pack_into("<d", self._map, _BITS, at)
        self.ended(port)


@dataclass(frozen=True, slots=True)
class NotedPorts:
    """The Ports of this node's claims, with the machine's clock."""

    notes: SocketNotes
    clock: Boottime

    def opened(self, port: int) -> None:
        """See `supervisor.owner.claims.Ports`."""
        self.notes.opened(port)

    def ended(self, port: int) -> None:
        """See `supervisor.owner.claims.Ports`."""
        self.notes.ended(port)

    def aborted(self, port: int) -> None:
        """See `supervisor.owner.claims.Ports`."""
        self.notes.aborted(port, self.clock.now())


@dataclass(frozen=True, slots=True)
class Left:
    """What a process left behind: the ports that led to data centres, and when it last reset one."""

    ports: frozenset[int]
    reset_at: float

    @classmethod
    def read(cls, path: Path) -> Left:
        """What is noted there; of a file that is not whole, a connection that nobody can see."""
        try:
            content = path.read_bytes()
            (reset_at,) = struct.unpack_from("<d", content, _BITS)
        except (OSError, struct.error):
            return cls(frozenset({_UNSEEN}), 0.0)
        bits = int.from_bytes(content[:_BITS], "little")
        return cls(frozenset(_ones(bits)), reset_at)

    def said_farewell(self, states: dict[int, set[int]], at: float, last_breath: float) -> bool:
        """Whether the data centre has acknowledged the end of each connection. `states` are the sockets', by port."""
        if at < self.reset_at + last_breath:
            return False
        return all(states.get(port, {-1}) <= ACKNOWLEDGED for port in self.ports)


class Slot:
    """A slot that is ours, locked.

    Whoever comes after one that did not leave in peace is another node: that one's sessions stay its own until its
    death is told.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.predecessor = read_occupant(path)
        self.left = Left.read(ports_of(path)) if self.predecessor and self.predecessor.number else None
        self.node_id = _free_name(self.predecessor) or new_node_id()
        self.place = place_of(path.parent)
        self.sockets = SocketNotes(ports_of(path))

    def occupy(self, life: NodeEpoch) -> None:
        """Write down who is here now."""
        write_occupant(
            self._descriptor, Occupant(life.node_id, life.number, os.getpid(), boot_id(), network())
        )

    def leave(self) -> None:
        """Write down that we have left in peace."""
        write_occupant(self._descriptor, Occupant(self.node_id))


@contextmanager
def claimed_slot(base: Path) -> Iterator[Slot]:
    """Hold the first free slot of this folder of sessions. Raises SettingsError if it cannot be written."""
    folder = base / FOLDER
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        path, descriptor = _first_free(folder)
    except OSError as error:
        raise SettingsError(
            f"SESSIONS_BASE_PATH: {base} cannot be written ({error.strerror}); name a folder of ours"
        ) from error
    try:
        yield _slot(path, descriptor)
    finally:
        os.close(descriptor)


def _slot(path: Path, descriptor: int) -> Slot:
    try:
        return Slot(path, descriptor)
    except OSError as error:
        raise SettingsError(
            f"SESSIONS_BASE_PATH: {ports_of(path)} cannot be written ({error.strerror}); remove it, or make it ours"
        ) from error


def _first_free(folder: Path) -> tuple[Path, int]:
    for number in range(MOST):
        path = folder / str(number)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _lock(descriptor):
            return path, descriptor
        os.close(descriptor)
    raise SettingsError(f"SESSIONS_BASE_PATH: {MOST} supervisors use {folder.parent} already")


@contextmanager
def deserted(path: Path) -> Iterator[Occupant | None]:
    """Hold somebody else's slot while it is looked at: who was there last, or None if somebody is there now."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield (read_occupant(path) or Occupant("")) if _lock(descriptor) else None
    finally:
        os.close(descriptor)


def slots(base: Path) -> list[Path]:
    """The slots of this folder, used or not."""
    folder = base / FOLDER
    return sorted(path for path in folder.iterdir() if _SLOT.fullmatch(path.name)) if folder.is_dir() else []


def is_alone(slot: Slot, base: Path) -> bool:
    """Whether no other process is in a slot of this folder."""
    for path in slots(base):
        if path != slot.path:
            with deserted(path) as occupant:
                if occupant is None:
                    return False
    return True


def ports_of(path: Path) -> Path:
    """Where the sockets of whoever is in this slot are noted."""
    return path.with_name(f"{path.name}.ports")


def read_occupant(path: Path) -> Occupant | None:
    """Who is written down in this slot; None if nobody ever was."""
    try:
        occupant = Occupant(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return occupant if _is_sound(occupant) else None


def write_occupant(descriptor: int, occupant: Occupant) -> None:
    """Write it down in one go, over what was there."""
    os.pwrite(descriptor, json.dumps(asdict(occupant)).ljust(511).encode() + b"\n", 0)


def rewrite(path: Path, occupant: Occupant) -> None:
    """Write down in a slot that we hold what is known of its last occupant now."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        write_occupant(descriptor, occupant)
    finally:
        os.close(descriptor)


def socket_states(tables: Iterable[str]) -> dict[int, set[int]]:
    """The states of all TCP sockets by local port, as `/proc/net/tcp` and `tcp6` list them (man 5 proc)."""
    states: dict[int, set[int]] = {}
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            states.setdefault(int(fields[1].rpartition(":")[2], 16), set()).add(int(fields[3], 16))
    return states


def kernel_tables() -> list[str]:
    """What the kernel lists of this network namespace; nothing elsewhere than on Linux."""
    paths = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    return [path.read_text(encoding="ascii") for path in paths if path.exists()]


def _free_name(predecessor: Occupant | None) -> str | None:
    return predecessor.node_id if predecessor is not None and not predecessor.number else None


def place_of(folder: Path) -> str:
    """The name of the folder that these slots are of: given to it when it is first used, and whole from then on."""
    path = folder / PLACE
    if not path.exists():
        fresh = folder / f"{PLACE}.{secrets.token_hex(4)}"
        fresh.write_text(secrets.token_hex(8), encoding="ascii")
        with suppress(FileExistsError):  # somebody starts beside us
            path.hardlink_to(fresh)
        fresh.unlink()
    name = path.read_text(encoding="utf-8", errors="replace")
    if not _PLACE.fullmatch(name):
        raise SettingsError(f"SESSIONS_BASE_PATH: {path} is damaged; remove it, a new one will be made")
    return name


def new_node_id() -> str:
    """A name that no other node has."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40].strip("-") or "node"
    return f"{host}-{secrets.token_hex(4)}"


def boot_id() -> str:
    """The boot of this machine; empty where nothing tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def network() -> int:
    """The network namespace of this process; 0 where nothing tells."""
    try:
        return Path("/proc/self/ns/net").stat().st_ino
    except OSError:
        return 0


def _is_sound(occupant: Occupant) -> bool:
    """Whether each value is what it should be: a disk may have made anything of the file."""
    texts, numbers = (occupant.node_id, occupant.boot_id), (occupant.number, occupant.pid, occupant.network)
    are_numbers = all(type(number) is int for number in numbers) and type(occupant.gone_at) in {int, float}
    return all(type(text) is str for text in texts) and are_numbers and 0 <= occupant.number < 1 << 63


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ones(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
