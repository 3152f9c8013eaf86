"""Which process is in which slot, and what is seen of one that was killed: real processes, locks and sockets."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from actors.core.owners import NodeEpoch, Ownership
from actors.guard import Ends
from supervisor.events import Event, NodeEnd, NodeLost
from supervisor.owner import slots
from supervisor.owner.slots import Left, NotedPorts, Occupant, claimed_slot, is_alone
from supervisor.owner.watching import Witness
from supervisor.ownership.timings import PROFILE_S
from supervisor.settings import SettingsError
from tests.fakes import FakeArbiter
from tests.owner.nodes import KEY, VirtualBoottime, World

ROOT = Path(__file__).parents[2]
BREATH = PROFILE_S.last_breath
DC = Ends(40000, "192.0.2.1:443")
FAR = slots.mark(DC.far)

SUPERVISOR = """
import socket, sys, time
from pathlib import Path
from actors.core.owners import NodeEpoch
from actors.guard import Ends
from supervisor.owner.slots import claimed_slot
with claimed_slot(Path(sys.argv[1])) as slot:
    slot.occupy(NodeEpoch(slot.node_id, int(sys.argv[2])))
    line = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    slot.sockets.opened(Ends(line.getsockname()[1], "127.0.0.1:" + sys.argv[3]))
    print(slot.node_id, line.getsockname()[1], flush=True)
    time.sleep(600)
"""


@dataclass(slots=True)
class Supervisor:
    """A process that is in a slot, and has one connection to a data centre, whose end we have."""

    process: subprocess.Popen[str]
    life: NodeEpoch
    port: int
    far: str
    line: socket.socket

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


Begin = Callable[[], Supervisor]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
def begin(base: Path) -> Iterator[Begin]:
    """Start a supervisor that owns the session; it is killed in the end."""
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as server:

        def start() -> Supervisor:
            arguments = [sys.executable, "-c", SUPERVISOR, str(base), "1", str(server.getsockname()[1])]
            process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            node_id, port = process.stdout.readline().split()
            line, far = stack.enter_context(server.accept()[0]), f"127.0.0.1:{server.getsockname()[1]}"
            return Supervisor(process, NodeEpoch(node_id, 1), int(port), far, line)

        yield start


async def own(arbiter: FakeArbiter, supervisor: Supervisor) -> None:
    """The arbiter knows the supervisor, and that the session is its own."""
    life = await arbiter.boot(supervisor.life.node_id, "boot")
    assert life == supervisor.life
    taken = await arbiter.acquire(life, await arbiter.look(KEY) or Ownership(KEY, 0, None, is_clean=True))
    assert taken is not None


def states(killed: Supervisor) -> set[int]:
    connection = killed.port, slots.mark(killed.far)
    return slots.socket_states(slots.kernel_tables()).get(connection, set())


def until(condition: Callable[[], bool]) -> None:
    """The kernel has no virtual time."""
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def witness(
    world: World,
    base: Path,
    told: list[Event] | None = None,
    own: Path | None = None,
    clock: VirtualBoottime | None = None,
) -> Witness:
    return Witness(
        clock or VirtualBoottime(),
        PROFILE_S,
        world.arbiter,
        (told if told is not None else []).append,
        base,
        own,
    )


def occupant(base: Path) -> Occupant | None:
    return slots.read_occupant(base / ".nodes" / "0")


def rewritten(base: Path, **values: object) -> None:
    """Let the slot say something else."""
    before = occupant(base)
    assert before is not None
    slots.rewrite(base / ".nodes" / "0", replace(before, **values))  # type: ignore[arg-type]


# -- deaths


async def test_a_living_process_is_not_told_dead(world: World, base: Path, begin: Begin) -> None:
    alive = begin()
    await own(world.arbiter, alive)

    looking = witness(world, base)
    await looking.look()

    assert (looking.awaited, world.row().owner) == (set(), alive.life)


async def test_a_process_whose_end_the_data_centre_acknowledged_is_told_dead_at_once(
    world: World, base: Path, begin: Begin
) -> None:
    told: list[Event] = []
    killed = begin()
    await own(world.arbiter, killed)
    killed.kill()
    until(lambda: states(killed) <= slots.ACKNOWLEDGED)

    await witness(world, base, told).look()

    assert (world.row().owner, world.row().is_clean) == (None, True)
    assert told == [NodeLost(killed.life.node_id, NodeEnd.SEEN_DEAD, 1)]
    assert occupant(base) == Occupant(killed.life.node_id)
    await witness(world, base, told).look()
    assert len(told) == 1


async def test_a_process_that_had_not_read_everything_is_told_dead_after_its_last_breath(
    world: World, base: Path, begin: Begin
) -> None:
    """The kernel resets such a connection, and forgets it: nobody can see whether the reset arrived."""
    told: list[Event] = []
    killed = begin()
    await own(world.arbiter, killed)
    killed.line.sendall(b"an update that nobody reads")
    killed.kill()
    until(lambda: not states(killed))

    looking = witness(world, base, told)
    await looking.look()
    assert looking.wait_for(killed.life) == pytest.approx(BREATH)
    assert world.row().owner == killed.life
    await trio.sleep(BREATH - 0.1)
    await looking.look()
    assert world.row().owner == killed.life
    await trio.sleep(0.2)
    await looking.look()

    assert world.row().owner is None
    assert told == [NodeLost(killed.life.node_id, NodeEnd.DEAD_FOR_LONG_ENOUGH, 1)]
    assert looking.wait_for(killed.life) is None


async def test_whoever_looks_next_goes_on_counting(world: World, base: Path, begin: Begin) -> None:
    """Each command that looks lives for a moment: it must not begin to count anew each time."""
    killed = begin()
    await own(world.arbiter, killed)
    killed.line.sendall(b"unread")
    killed.kill()
    await trio.sleep(100)
    await witness(world, base).look()

    await trio.sleep(BREATH - 1)
    looking = witness(world, base)
    await looking.look()
    assert looking.wait_for(killed.life) == pytest.approx(1.0)
    await trio.sleep(1)
    await witness(world, base).look()

    assert world.row().owner is None


async def test_a_death_that_is_noted_for_later_than_now_is_of_now(
    world: World, base: Path, begin: Begin
) -> None:
    killed = begin()
    await own(world.arbiter, killed)
    killed.line.sendall(b"unread")
    killed.kill()
    rewritten(base, gone_at=1e9)

    looking = witness(world, base)
    await looking.look()

    assert looking.wait_for(killed.life) == pytest.approx(BREATH)


async def test_a_process_that_reset_a_connection_lately_is_told_dead_after_that_ones_last_breath(
    world: World, base: Path, begin: Begin
) -> None:
    killed = begin()
    await own(world.arbiter, killed)
    killed.kill()
    until(lambda: states(killed) <= slots.ACKNOWLEDGED)
    ports = base / ".nodes" / "0.ports"
    content = bytearray(ports.read_bytes())
    await trio.sleep(50)
    content[-8:] = struct.pack("<d", 1045.0)
    ports.write_bytes(content)

    looking = witness(world, base)
    await looking.look()
    assert world.row().owner == killed.life
    await trio.sleep(45.0 + BREATH - 50.0)
    await looking.look()

    assert world.row().owner is None


async def test_the_sockets_of_elsewhere_are_not_looked_for_here(
    world: World, base: Path, begin: Begin
) -> None:
    killed = begin()
    await own(world.arbiter, killed)
    killed.kill()
    until(lambda: states(killed) <= slots.ACKNOWLEDGED)
    rewritten(base, network=1)

    looking = witness(world, base)
    await looking.look()
    assert world.row().owner == killed.life
    await trio.sleep(BREATH)
    await looking.look()

    assert world.row().owner is None


async def test_what_was_there_before_the_machine_started_died_with_that(
    world: World, base: Path, begin: Begin
) -> None:
    killed = begin()
    await own(world.arbiter, killed)
    killed.kill()
    rewritten(base, boot_id="another", gone_at=1e9)
    clock = VirtualBoottime(started_before=0.0)

    await witness(world, base, clock=clock).look()
    assert world.row().owner == killed.life
    await trio.sleep(BREATH)
    await witness(world, base, clock=clock).look()

    assert world.row().owner is None


async def test_an_outage_puts_off_the_news_of_a_death(world: World, base: Path, begin: Begin) -> None:
    killed = begin()
    await own(world.arbiter, killed)
    killed.kill()
    until(lambda: states(killed) <= slots.ACKNOWLEDGED)
    looking = witness(world, base)
    world.is_down = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(looking.keep_looking)
        await trio.sleep(3)
        assert (looking.awaited, world.row().owner) == ({killed.life}, killed.life)
        world.is_down = False
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert world.row().owner is None


async def test_who_takes_the_place_of_a_dead_process_tells_of_its_death(
    world: World, base: Path, begin: Begin
) -> None:
    killed = begin()
    await own(world.arbiter, killed)
    killed.kill()
    until(lambda: states(killed) <= slots.ACKNOWLEDGED)

    with claimed_slot(base) as slot:
        assert slot.node_id != killed.life.node_id
        looking = witness(world, base, own=slot.path)
        looking.find_predecessor(slot)
        assert looking.awaited == {killed.life}
        await looking.look()

    assert (looking.awaited, world.row().owner) == (set(), None)


async def test_a_place_that_somebody_took_before_the_death_was_told_keeps_nobody_from_telling(
    world: World, base: Path, begin: Begin
) -> None:
    killed = begin()
    await own(world.arbiter, killed)
    killed.line.sendall(b"unread")
    killed.kill()
    until(lambda: not states(killed))
    told: list[Event] = []
    looking = witness(world, base, told)
    await looking.look()

    with claimed_slot(base) as slot:
        slot.occupy(NodeEpoch(slot.node_id, 1))
        await trio.sleep(BREATH)
        await looking.look()

        assert (world.row().owner, len(told)) == (None, 1)
        present = occupant(base)
        assert present is not None
        assert present.life == NodeEpoch(slot.node_id, 1)  # nobody has written over it


# -- files that are not whole


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"node_id": "a", "number": "1"}',
        b'{"node_id": 7, "number": 1}',
        b'{"node_id": "a", "number": -1}',
        b'{"node_id": "a", "number": 99999999999999999999}',
        b'{"node_id": "a", "number": 1, "gone_at": "x"}',
        b'{"node_id": "a", "number": 1, "more": 2}',
    ],
)
async def test_a_slot_that_says_no_sense_says_nothing(world: World, base: Path, content: bytes) -> None:
    path = base / ".nodes" / "0"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    looking = witness(world, base)
    await looking.look()
    assert looking.awaited == set()
    with claimed_slot(base) as slot:
        assert (slot.path, slot.predecessor, slot.left) == (path, None, None)
    with claimed_slot(base), claimed_slot(base) as second:
        pass
    assert is_alone(second, base)


@pytest.mark.parametrize("content", [None, b"", b"short"])
async def test_notes_of_sockets_that_are_not_whole_are_waited_for(
    world: World, base: Path, begin: Begin, content: bytes | None
) -> None:
    killed = begin()
    await own(world.arbiter, killed)
    killed.kill()
    ports = base / ".nodes" / "0.ports"
    ports.unlink()
    if content is not None:
        ports.write_bytes(content)

    looking = witness(world, base)
    await looking.look()
    assert world.row().owner == killed.life
    await trio.sleep(BREATH)
    await looking.look()

    assert world.row().owner is None


# -- slots


def test_each_process_has_a_slot_of_its_own(base: Path) -> None:
    with claimed_slot(base) as first:
        assert is_alone(first, base)
        with claimed_slot(base) as second:
            assert (first.path.name, second.path.name) == ("0", "1")
            assert first.node_id != second.node_id
            assert not is_alone(first, base)
        assert is_alone(first, base)


def test_there_are_sixty_four_slots(base: Path) -> None:
    with ExitStack() as stack:
        for _ in range(slots.MOST):
            stack.enter_context(claimed_slot(base))
        with pytest.raises(SettingsError, match="64 supervisors use"):
            stack.enter_context(claimed_slot(base))


def test_a_folder_that_cannot_be_written_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(SettingsError, match=r"SESSIONS_BASE_PATH.*name a folder of ours"),
        claimed_slot(tmp_path / "file"),
    ):
        pass


def test_notes_that_cannot_be_written_are_named_with_the_fix(base: Path) -> None:
    (base / ".nodes" / "0.ports").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"0\.ports cannot be written"), claimed_slot(base):
        pass


def test_whoever_left_in_peace_left_nothing(base: Path) -> None:
    with claimed_slot(base) as slot:
        slot.occupy(NodeEpoch(slot.node_id, 5))
        slot.sockets.opened(DC)
        assert json.loads(slot.path.read_text())["number"] == 5
        slot.leave()
    with claimed_slot(base) as slot:
        assert slot.predecessor is not None
        assert (slot.predecessor.number, slot.left) == (0, None)


async def test_ports_are_noted_while_they_lead_to_a_data_centre(base: Path) -> None:
    with claimed_slot(base) as slot:
        ports, path = NotedPorts(slot.sockets, VirtualBoottime()), slots.ports_of(slot.path)
        first, last = Ends(1, DC.far), Ends(65535, DC.far)
        for ends in (first, DC, last):
            ports.opened(ends)
        assert Left.read(path) == Left(frozenset({(1, FAR), (40000, FAR), (65535, FAR)}), 0.0)

        ports.ended(DC)
        await trio.sleep(7)
        ports.aborted(first)
        assert Left.read(path) == Left(frozenset({(65535, FAR)}), 1007.0)


async def test_a_connection_through_a_proxy_is_never_seen_to_end(base: Path) -> None:
    with claimed_slot(base) as slot:
        ports = NotedPorts(slot.sockets, VirtualBoottime())
        ports.opened(Ends(0))
        ports.ended(Ends(0))
        left = Left.read(slots.ports_of(slot.path))

    assert [port for port, _ in left.connections] == [0]
    assert not left.said_farewell({}, 1e9, BREATH)


@pytest.mark.parametrize(
    ("seen", "is_said"),
    [
        ({(40000, FAR): {0x05}}, True),
        ({(40000, FAR): {0x06}}, True),
        ({(40000, FAR): {0x01}}, False),
        ({(40000, FAR): {0x04}}, False),
        ({(40000, FAR): {0x06, 0x01}}, False),
        ({}, False),
        ({(40001, FAR): {0x06}}, False),
        # Ours was reset, and leaves no trace; another process had the same port to somewhere else.
        ({(40000, slots.mark("192.0.2.9:443")): {0x06}}, False),
        ({(40000, slots.mark("192.0.2.1:5432")): {0x06}}, False),
    ],
)
def test_only_what_the_other_side_acknowledged_is_a_farewell(
    seen: dict[tuple[int, int], set[int]], is_said: bool
) -> None:
    assert Left(frozenset({(40000, FAR)}), 0.0).said_farewell(seen, 1e9, BREATH) is is_said


def test_the_kernels_tables_are_read_by_both_ends() -> None:
    table = (
        "  sl  local_address rem_address   st\n"
        "   0: 0100007F:9C40 0100007F:01BB 01 rest\n"
        "   1: 0100007F:9C40 0100007F:01BC 06 rest\n"
    )
    none, mapped, six = "0" * 32, "0000000000000000FFFF00000100007F", "B80D01200000000000000000" + "01000000"
    table_of_six = (
        "  sl  local_address\n"
        f"   0: {none}:9C41 {none}:0000 0A rest\n"
        f"   1: {mapped}:9C42 {mapped}:01BB 05 rest\n"
        f"   2: {six}:9C43 {six}:01BB 04 rest\n"
    )

    assert slots.socket_states([table, table_of_six]) == {
        (40000, slots.mark("127.0.0.1:443")): {1},
        (40000, slots.mark("127.0.0.1:444")): {6},
        (40001, slots.mark(":::0")): {10},
        (40002, slots.mark("127.0.0.1:443")): {5},
        (40003, slots.mark("2001:db8::1:443")): {4},
    }


def test_a_folder_keeps_its_name_and_no_other_folder_has_it(tmp_path: Path) -> None:
    with claimed_slot(tmp_path / "one") as first, claimed_slot(tmp_path / "one") as second:
        assert first.place == second.place
    with claimed_slot(tmp_path / "one") as again, claimed_slot(tmp_path / "two") as other:
        assert again.place == first.place != other.place


def test_a_folder_whose_name_is_damaged_is_told_with_the_fix(tmp_path: Path) -> None:
    with claimed_slot(tmp_path):
        pass
    (tmp_path / slots.FOLDER / slots.PLACE).write_bytes(b"\x00" * 16)

    with pytest.raises(SettingsError, match="remove it"), claimed_slot(tmp_path):
        pass
