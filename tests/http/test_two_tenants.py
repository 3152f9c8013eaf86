"""Two tenants use one service in every order, and neither is ever shown a byte of the other's.

A Hypothesis state machine: its rules are requests, by everybody a tenant may send, with names and tickets of either.
After each answer it looks for everything that is known to be the other's, and that nothing of the other's has moved.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from queue import Queue
from threading import Thread
from typing import Any, TypeVar

import outcome
import trio
import trio.testing
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from actors.core.names import SessionKey
from actors.core.states import PendingQr
from actors.guards import KeyRole, Limit
from actors.webhooks import Delivery, DeliveryStatus
from api.polls import LongPolls
from api.tokens import short_session
from tests.fakes import FakeAccount, FakeLimits
from tests.http.conftest import TOKEN_KEY, Answer, World, open_world
from tests.http.credentials import (
    callback_body,
    callback_headers,
    callback_request,
    demos_key,
    give_key,
    supabase_token,
)

Result = TypeVar("Result")

TENANTS = ("alpha7391", "omega5284")
APPS = {"alpha7391": ("crm6120", "bot8843"), "omega5284": ("shop3377", "desk9051")}
ACCOUNTS = {"crm6120": 71160020, "bot8843": 71160021, "shop3377": 85530040, "desk9051": 85530041}
HINTS = {app: f"hint-of-{app}" for app in ACCOUNTS}
PASSWORD = "the password of both"

FLOWS = ("old", "qr", "code")
USES = ("status", "read", "password", "step", "resend", "old cancel", "cancel", "news", "callback")

HOOK_USES = ("read", "list", "change", "rotate", "ping", "deliveries", "resend", "recover", "delete")

tenants = st.sampled_from(TENANTS)
apps = st.sampled_from(sorted(ACCOUNTS))
kinds = st.sampled_from(("page", "key", "user", "holder"))


class Unlimited(FakeLimits):
    """Else a minute's worth of starts would be used up, and the rest of the minute show nothing."""

    async def spend(self, *_: Limit) -> float:
        await trio.lowlevel.checkpoint()
        return 0.0


class Hosted:
    """A world in a thread of its own: a state machine's rules are not async."""

    def __init__(self) -> None:
        self._ready: Queue[trio.lowlevel.TrioToken] = Queue()
        self._asks, self._asked = trio.open_memory_channel[Any](1)
        self._thread = Thread(target=self._run)
        self._thread.start()
        self._token = self._ready.get(timeout=30)

    def call(self, fn: Callable[..., Awaitable[Result]], *args: object) -> Result:
        """What this async function answers when it is called with the world, and these."""
        answer: Queue[outcome.Outcome[Result]] = Queue()
        trio.from_thread.run_sync(self._asks.send_nowait, (fn, args, answer), trio_token=self._token)
        return answer.get(timeout=8).unwrap()

    def close(self) -> None:
        """End the world."""
        trio.from_thread.run_sync(self._asks.close, trio_token=self._token)
        self._thread.join(30)

    def _run(self) -> None:
        """On a clock that stands still, so that nothing happens but what a rule brings about."""
        trio.run(self._host, clock=trio.testing.MockClock())

    async def _host(self) -> None:
        async with open_world() as world:
            world.change(limits=Unlimited(), polls=LongPolls(bound=0))
            self._ready.put(trio.lowlevel.current_trio_token())
            async for fn, args, answer in self._asked:
                answer.put(await outcome.acapture(fn, world, *args))


@dataclass
class Known:
    """What must never be shown to the other tenant."""

    texts: set[str]
    tickets: list[str] = field(default_factory=list)
    webhooks: list[str] = field(default_factory=list)


class TwoTenants(RuleBasedStateMachine):
    """Everything that both may do."""

    def __init__(self) -> None:
        super().__init__()
        self._world = Hosted()
        self._call = self._world.call
        self._known = {
            tenant: Known(
                {tenant, *APPS[tenant]}
                | {str(ACCOUNTS[app]) for app in APPS[tenant]}
                | {HINTS[app] for app in APPS[tenant]}
            )
            for tenant in TENANTS
        }

    def teardown(self) -> None:
        self._world.close()

    @initialize()
    def accounts(self) -> None:
        async def set_accounts(world: World) -> None:
            for tenant, owned in APPS.items():
                for at, app in enumerate(owned):
                    password = PASSWORD if at else None
                    account = FakeAccount(id=ACCOUNTS[app], password=password, hint=HINTS[app])
                    world.telegram[SessionKey(tenant, app)].account = account

        self._call(set_accounts)

    @rule(
        tenant=tenants,
        owner=tenants,
        kind=kinds,
        at=st.integers(0, 1),
        flow=st.sampled_from(FLOWS),
    )
    def start(self, tenant: str, owner: str, kind: str, at: int, flow: str) -> None:
        app = APPS[owner][at]
        body: dict[str, Any] = {"tenant_id": owner, "app_id": app}
        path = "/api/qr/start" if flow == "old" else f"/api/v1/login/start/{flow}"
        if flow == "code":
            body["phone"] = f"+1555000{ACCOUNTS[app] % 10000:04}"
        answer = self._ask(tenant, kind, app, "POST", path, body)
        if owner != tenant:
            assert answer.code == "tenant_mismatch"
        elif answer.status == 200:
            found = answer.json["ticket"] if flow == "old" else answer.json["login"]["ticket"]
            self._known[tenant].tickets.append(found)
            self._known[tenant].texts.add(found)

    @rule(owner=tenants, at=st.integers(0, 1))
    def scan(self, owner: str, at: int) -> None:
        async def accept(world: World) -> None:
            key = SessionKey(owner, APPS[owner][at])
            if key in world.directory.running:
                state = (await world.directory.look(key)).state
                if isinstance(state, PendingQr) and state.token is not None:
                    world.telegram[key].accept()
            await world.settle()

        self._call(accept)

    @rule(
        tenant=tenants,
        owner=tenants,
        kind=kinds,
        app=apps,
        pick=st.integers(0, 50),
        what=st.sampled_from(
            ("status", "read", "password", "step", "resend", "old cancel", "cancel", "events", "callback")
        ),
    )
    def use_a_ticket(self, tenant: str, owner: str, kind: str, app: str, pick: int, what: str) -> None:
        tickets = self._known[owner].tickets
        if not tickets:
            return
        ticket = tickets[pick % len(tickets)]
        answer = self._with_ticket(tenant, kind, app, ticket, what)
        if owner != tenant:
            unknown = self._with_ticket(tenant, kind, app, "z" * 43, what)
            assert answer.code == unknown.code == "ticket_unknown"
            assert _without_id(answer) == _without_id(unknown)

    @rule(tenant=tenants, kind=kinds, app=apps, limit=st.integers(1, 3), cursor=st.one_of(st.none(), apps))
    def list_sessions(self, tenant: str, kind: str, app: str, limit: int, cursor: str | None) -> None:
        query = f"?limit={limit}" + ("" if cursor is None else f"&cursor={tenant}/{cursor}")
        answer = self._ask(tenant, kind, app, "GET", f"/api/v1/sessions{query}")
        if answer.status == 200:
            assert {session["tenant_id"] for session in answer.json["sessions"]} <= {tenant}

    @rule(tenant=tenants, owner=tenants, kind=kinds, at=st.integers(0, 1))
    def read_a_session(self, tenant: str, owner: str, kind: str, at: int) -> None:
        app = APPS[owner][at]
        answer = self._ask(tenant, kind, app, "GET", f"/api/v1/sessions/{owner}/{app}")
        if owner != tenant:
            assert answer.code in {"tenant_mismatch", "forbidden"}

    @rule(tenant=tenants, owner=tenants, kind=kinds, at=st.integers(0, 1), limit=st.integers(1, 3))
    def read_a_history(self, tenant: str, owner: str, kind: str, at: int, limit: int) -> None:
        app = APPS[owner][at]
        answer = self._ask(tenant, kind, app, "GET", f"/api/v1/sessions/{owner}/{app}/events?limit={limit}")
        if owner != tenant:
            assert answer.code in {"tenant_mismatch", "forbidden"}

    @rule(
        tenant=tenants, kind=kinds, app=apps, named=st.sampled_from((None, *TENANTS)), after=st.integers(0, 3)
    )
    def follow_events(self, tenant: str, kind: str, app: str, named: str | None, after: int) -> None:
        """What there is of a stream that does not wait for more."""
        query = f"?after={after}" + ("" if named is None else f"&tenant={named}")
        answer = self._ask(tenant, kind, app, "GET", f"/api/v1/events{query}")
        if answer.status == 200:
            assert named in (None, tenant)
            assert kind in {"key", "user"}

    @rule(tenant=tenants, owner=tenants, kind=kinds, app=apps)
    def add_a_webhook(self, tenant: str, owner: str, kind: str, app: str) -> None:
        url = f"https://hooks.example/of-{owner}"
        path = f"/api/v1/tenants/{owner}/webhooks"
        answer = self._ask(tenant, kind, app, "POST", path, {"url": url})
        if owner != tenant:
            assert answer.code in {"tenant_mismatch", "forbidden"}
        elif answer.status == 201:
            made = answer.json
            self._known[tenant].texts |= {made["webhook_id"], made["secret"], url}
            self._known[tenant].webhooks.append(made["webhook_id"])

    @rule(
        tenant=tenants,
        owner=tenants,
        named=tenants,
        kind=kinds,
        app=apps,
        pick=st.integers(0, 50),
        what=st.sampled_from(HOOK_USES),
    )
    def use_a_webhook(
        self, tenant: str, owner: str, named: str, kind: str, app: str, pick: int, what: str
    ) -> None:
        """One that may be the other's, under either tenant's name."""
        hooks = self._known[owner].webhooks
        if not hooks:
            return
        base, webhook_id = f"/api/v1/tenants/{named}/webhooks", hooks[pick % len(hooks)]
        self._call(_give_up, owner, webhook_id)
        before = self._call(_deliveries_of, owner, webhook_id)
        match what:
            case "list":
                answer = self._ask(tenant, kind, app, "GET", base)
                assert named == tenant or answer.code in {"tenant_mismatch", "forbidden"}
                return
            case "change":
                body = {"url": "https://hooks.example/new", "enabled": False}
                answer = self._ask(tenant, kind, app, "PUT", f"{base}/{webhook_id}", body)
            case "read" | "delete":
                method = "GET" if what == "read" else "DELETE"
                answer = self._ask(tenant, kind, app, method, f"{base}/{webhook_id}")
            case "resend":
                rest = f"deliveries/{before[-1].message_id}/resend"
                answer = self._ask(tenant, kind, app, "POST", f"{base}/{webhook_id}/{rest}")
            case "recover":
                answer = self._ask(tenant, kind, app, "POST", f"{base}/{webhook_id}/recover", {"since": 0})
            case _:
                method = "GET" if what == "deliveries" else "POST"
                answer = self._ask(tenant, kind, app, method, f"{base}/{webhook_id}/{what}")
        if {tenant, named, owner} != {tenant}:
            assert answer.code in {"tenant_mismatch", "forbidden", "webhook_unknown"}
            assert self._call(_has_webhook, owner, webhook_id)
            assert self._call(_deliveries_of, owner, webhook_id) == before
        elif answer.status == 204:
            hooks.remove(webhook_id)
        elif what == "rotate" and answer.status == 200:
            self._known[tenant].texts.add(answer.json["secret"])

    @rule(tenant=tenants, owner=tenants, kind=kinds, app=apps)
    def ask_for_a_token(self, tenant: str, owner: str, kind: str, app: str) -> None:
        answer = self._ask(tenant, kind, app, "POST", "/api/v1/session", {"tenant_id": owner})
        if answer.status == 200:
            assert answer.json["tenant_id"] == owner == tenant
            self._known[tenant].texts.add(answer.json["token"])

    @rule(tenant=tenants, kind=kinds, app=apps)
    def look_at_the_tree(self, tenant: str, kind: str, app: str) -> None:
        assert self._ask(tenant, kind, app, "GET", "/api/v1/tree").code == "forbidden"

    def _with_ticket(self, tenant: str, kind: str, app: str, ticket: str, what: str) -> Answer:
        current, in_header = "/api/v1/login/current", {"X-Ticket": ticket}
        step = {"txn_id": "txn-1", "type": "password", "password": "wrong"}
        match what:
            case "status":
                return self._ask(tenant, kind, app, "GET", "/api/qr/status", headers=in_header)
            case "read":
                return self._ask(tenant, kind, app, "GET", f"/api/v1/login/{ticket}")
            case "password":
                body = {"ticket": ticket, "password": PASSWORD}
                return self._ask(tenant, kind, app, "POST", "/api/qr/password", body)
            case "step":
                return self._ask(tenant, kind, app, "POST", f"{current}/step", step, headers=in_header)
            case "resend":
                again = {"txn_id": "txn-2", "type": "action", "action": "resend"}
                return self._ask(tenant, kind, app, "POST", f"{current}/step", again, headers=in_header)
            case "old cancel":
                return self._ask(tenant, kind, app, "POST", "/api/qr/cancel", {"ticket": ticket})
            case "cancel":
                return self._ask(tenant, kind, app, "DELETE", current, headers=in_header)
            case "news":
                return self._ask(tenant, kind, app, "GET", f"{current}?since=0", headers=in_header)
            case _:
                return self._callback(tenant, app, ticket)

    def _callback(self, tenant: str, app: str, ticket: str) -> Answer:
        async def send(world: World) -> Answer:
            body = callback_body(ticket, ACCOUNTS[app])
            key = demos_key(world.doors.callback_keys, tenant)
            headers = callback_headers(callback_request(key, body, world.doors.clock.now()))
            return await world.call("POST", "/api/qr/callback", raw=body, headers=headers)

        return self._checked(tenant, send, ACCOUNTS[app])

    def _ask(
        self,
        tenant: str,
        kind: str,
        app: str,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        async def send(world: World) -> Answer:
            credential = {"Authorization": f"Bearer {_credential(world, tenant, kind, app)}"}
            return await world.call(method, path, body, headers=credential | (headers or {}))

        return self._checked(tenant, send)

    def _checked(
        self, tenant: str, send: Callable[[World], Awaitable[Answer]], said: int | None = None
    ) -> Answer:
        """The answer, once it is sure that it holds and has moved nothing of the other's."""
        (other,) = set(TENANTS) - {tenant}
        before = self._call(_snapshots, other)
        answer = self._call(send)
        assert self._call(_snapshots, other) == before
        shown = answer.raw.decode() + repr(answer.headers)
        found = {text for text in self._known[other].texts if text in shown}
        assert not found, (tenant, found, shown)
        assert said is None or str(said) not in shown
        return answer


async def _snapshots(world: World, tenant: str) -> dict[SessionKey, tuple[str, int]]:
    await world.settle()
    looked: dict[SessionKey, tuple[str, int]] = {}
    for key in list(world.directory.running):
        if key.tenant_id == tenant:
            snapshot = await world.directory.look(key)
            looked[key] = (snapshot.state.name, snapshot.version)
    return looked


async def _has_webhook(world: World, tenant: str, webhook_id: str) -> bool:
    await trio.lowlevel.checkpoint()
    return (tenant, webhook_id) in world.webhooks.kept


async def _deliveries_of(world: World, tenant: str, webhook_id: str) -> list[Delivery]:
    await trio.lowlevel.checkpoint()
    return list(world.webhooks.told.get((tenant, webhook_id), []))


async def _give_up(world: World, tenant: str, webhook_id: str) -> None:
    """One more delivery that is dead."""
    number = len(world.webhooks.told.get((tenant, webhook_id), []))
    world.webhooks.put(tenant, webhook_id, f"msg_{tenant}_{number}", DeliveryStatus.DEAD)
    await trio.lowlevel.checkpoint()


def _credential(world: World, tenant: str, kind: str, app: str) -> str:
    now = world.doors.clock.now()
    match kind:
        case "page":
            return short_session(TOKEN_KEY, tenant, 600, now).reveal()
        case "holder":
            own = app if app in APPS[tenant] else APPS[tenant][0]
            return short_session(TOKEN_KEY, tenant, 600, now, account_id=ACCOUNTS[own]).reveal()
        case "user":
            return supabase_token(now, tenant)
        case _:
            return give_key(world.api_keys, KeyRole.TENANT, tenant)


def _without_id(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.json.items() if name != "request_id"}


TestTwoTenants = TwoTenants.TestCase
TestTwoTenants.settings = settings(
    max_examples=int(os.environ.get("TENANTS_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    derandomize="TENANTS_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
