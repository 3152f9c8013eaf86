"""Which node this is on its machine: a slot in the folder of sessions, locked while it is used; who had it before.

    .nodes/0         who is here: a line of JSON, locked with flock until the process is gone, however it goes
    .nodes/place     the folder's own name, which no other folder has
    .nodes/0.ports   which connections lead to data centres now, by our ports, and when one was last reset

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
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from zlib import crc32

from actors.clock import Boottime
from actors.core.owners import NodeEpoch
from actors.guard import Ends
from supervisor.settings import SettingsError

FOLDER = ".nodes"
PLACE = "place"
MOST = 64
"""Supervisors on one folder."""

_PLACE = re.compile(r"[0-9a-f]{16}")
_SLOT = re.compile(r"[0-9]{1,2}")
_PORTS = 65536
_MARK_BYTES = 4
_MARKS_BYTES = _PORTS * _MARK_BYTES
_NOTES_BYTES = _MARKS_BYTES + 8
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
    """Which connections lead to data centres, noted where it outlasts this process: marks of far ends, by port."""

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.truncate(_NOTES_BYTES)
            self._map = mmap.mmap(file.fileno(), _NOTES_BYTES)

    def opened(self, ends: Ends) -> None:
        """See `supervisor.owner.claims.Ports`."""
        self._note(ends.local_port, mark(ends.far))

    def ended(self, ends: Ends) -> None:
        """See `supervisor.owner.claims.Ports`."""
        if ends.local_port != _UNSEEN:
            self._note(ends.local_port, 0)

    def aborted(self, ends: Ends, at: float) -> None:
        """It was reset at this moment, on the machine's own clock."""
        struct.pack_into("<d", self._map, _MARKS_BYTES, at)
        self.ended(ends)

    def _note(self, port: int, far: int) -> None:
        struct.pack_into("<I", self._map, port * _MARK_BYTES, far)


@dataclass(frozen=True, slots=True)
class NotedPorts:
    """The Ports of this node's claims, with the machine's clock."""

    notes: SocketNotes
    clock: Boottime

    def opened(self, ends: Ends) -> None:
        """See `supervisor.owner.claims.Ports`."""
        self.notes.opened(ends)

    def ended(self, ends: Ends) -> None:
        """See `supervisor.owner.claims.Ports`."""
        self.notes.ended(ends)

    def aborted(self, ends: Ends) -> None:
        """See `supervisor.owner.claims.Ports`."""
        self.notes.aborted(ends, self.clock.now())


Marked = tuple[int, int]
"""A connection by our port and the mark of its far end."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a process left behind: the connections that led to data centres, and when it last reset one."""

    connections: frozenset[Marked]
    reset_at: float

    @classmethod
    def read(cls, path: Path) -> Left:
        """What is noted there; of a file that is not whole, a connection that nobody can see."""
        try:
            content = path.read_bytes()
            (reset_at,) = struct.unpack_from("<d", content, _MARKS_BYTES)
        except (OSError, struct.error):
            return cls(frozenset({(_UNSEEN, 1)}), 0.0)
        marks = struct.unpack_from(f"<{_PORTS}I", content)
        return cls(frozenset((port, far) for port, far in enumerate(marks) if far), reset_at)

    def said_farewell(self, states: Mapping[Marked, set[int]], at: float, last_breath: float) -> bool:
        """Whether the data centre has acknowledged the end of each connection. `states` are those of all sockets."""
        if at < self.reset_at + last_breath:
            return False
        return all(states.get(each, {-1}) <= ACKNOWLEDGED for each in self.connections)


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


def mark(far: str) -> int:
    """A number for the far end of a connection, `address:port`; never 0."""
    address, _, port = far.rpartition(":")
    if address:
        ip = ip_address(address)
        address = str(getattr(ip, "ipv4_mapped", None) or ip)
    return crc32(f"{address}:{port}".encode()) or 1


def socket_states(tables: Iterable[str]) -> dict[Marked, set[int]]:
    """The states of all TCP sockets, as `/proc/net/tcp` and `tcp6` list them (man 5 proc)."""
    states: dict[Marked, set[int]] = {}
    for table in tables:
        for line in table.splitlines()[1:]:
            _, local, far, state = line.split()[:4]
            port = int(local.rpartition(":")[2], 16)
            states.setdefault((port, mark(_far(far))), set()).add(int(state, 16))
    return states


def _far(listed: str) -> str:
    """`address:port` of what the kernel lists in hexadecimal: words of four bytes, each as this machine has them."""
    digits, _, port = listed.rpartition(":")
    words = [digits[at : at + 8] for at in range(0, len(digits), 8)]
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return f"{ip_address(packed)}:{int(port, 16)}"


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
