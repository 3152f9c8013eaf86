"""What every Tickets does: the fake, and Valkey on both engines of the bridge."""

from __future__ import annotations

import pytest
import trio

from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.errors import StoreUnavailable
from actors.ports import Ticket, Tickets
from tests.contracts.benches import TicketsBench

TICKET = Secret("a-ticket-that-nobody-may-read-in-the-store")
OPENS = Ticket(SessionKey("tenant-a", "app-1"), "login-1")

every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)


async def test_what_a_ticket_opens_is_found(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=600)

    assert await tickets.find(TICKET) == OPENS
    assert await tickets.find(TICKET) == OPENS


async def test_an_unknown_ticket_opens_nothing(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=600)

    assert await tickets.find(Secret("another")) is None
    assert await tickets.find(Secret("")) is None


@every_engine
async def test_tickets_do_not_mix(tickets: Tickets) -> None:
    many = {f"ticket-{n}": Ticket(SessionKey(f"tenant-{n}", "app-1"), f"login-{n}") for n in range(40)}
    found: dict[str, Ticket | None] = {}

    async def find(ticket: str) -> None:
        found[ticket] = await tickets.find(Secret(ticket))

    async with trio.open_nursery() as nursery:
        for ticket, opens in many.items():
            nursery.start_soon(tickets.remember, Secret(ticket), opens, 600.0)
    async with trio.open_nursery() as nursery:
        for ticket in many:
            nursery.start_soon(find, ticket)

    assert found == many


async def test_a_ticket_expires(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=0.05)

    await wait_gone(tickets)


async def test_a_ticket_of_no_time_at_all_expires_too(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=0.0001)

    await wait_gone(tickets)


async def test_the_same_ticket_again_replaces_what_it_opens(tickets: Tickets) -> None:
    other = Ticket(SessionKey("tenant-b", "app-2"), "login-2")

    await tickets.remember(TICKET, OPENS, ttl=600)
    await tickets.remember(TICKET, other, ttl=600)

    assert await tickets.find(TICKET) == other


async def test_the_same_ticket_again_starts_its_time_anew(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=600)
    await tickets.remember(TICKET, OPENS, ttl=0.05)
    await wait_gone(tickets)

    await tickets.remember(TICKET, OPENS, ttl=0.05)
    await tickets.remember(TICKET, OPENS, ttl=600)
    await trio.sleep(0.1)  # there is no event for what must not happen
    assert await tickets.find(TICKET) == OPENS


@every_engine
async def test_an_outage_is_told_and_passes(tickets: Tickets, tickets_bench: TicketsBench) -> None:
    await tickets.remember(TICKET, OPENS, ttl=600)
    await tickets_bench.go_down()

    with pytest.raises(StoreUnavailable):
        await tickets.find(TICKET)
    with pytest.raises(StoreUnavailable):
        await tickets.remember(TICKET, OPENS, ttl=600)
    await tickets_bench.come_back()

    assert await tickets.find(TICKET) == OPENS


async def wait_gone(tickets: Tickets) -> None:
    with trio.fail_after(2):
        while await tickets.find(TICKET) is not None:
            await trio.sleep(0.005)
