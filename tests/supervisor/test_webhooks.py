"""The sending of webhooks: what arrives, where it does not go, how long it is tried, and whom it holds up."""

from __future__ import annotations

import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from actors.adapters import webhook_sender as adapter
from actors.adapters.webhook_sender import WebhookSender
from actors.adapters.webhooks import new_secret
from actors.clock import Clock
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.ports import JournalLine
from actors.webhooks import Due, Sent, Trouble
from supervisor.events import Event, WebhookGivenUp, WebhookOutcome, WebhookTried
from supervisor.webhooks import AT_ONCE, LOOK_EVERY, REST, TRIES, Webhooks, message, pause
from tests.fakes import FakeOutbox

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
LINE = JournalLine(
    7, SessionKey("acme", "one"), 3, 1_795_000_000.5, "SignedIn", "PENDING_QR", "AUTHORIZED", None
)


def due(url: str, *secrets: Secret, line: JournalLine | None = LINE, attempt: int = 1) -> Due:
    return Due(
        tenant_id="acme",
        webhook_id="w" * 12,
        message_id="msg_acme_7",
        attempt=attempt,
        url=url,
        secrets=secrets or (SECRET,),
        line=line,
    )


@dataclass
class Server:
    """An HTTP server that says the same to everybody, and what it was sent."""

    port: int = 0
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    requests: list[tuple[bytes, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        try:
            raw = b""
            while b"\r\n\r\n" not in raw:
                got = await stream.receive_some()
                if not got:
                    return
                raw += got
            head, _, body = raw.partition(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            headers = {
                k.decode().lower(): v.decode().strip() for k, _, v in (x.partition(b":") for x in lines)
            }
            while len(body) < int(headers["content-length"]):
                body += await stream.receive_some()
            self.requests.append((first, headers, body))
            await stream.send_all(self.answer)
        except (trio.BrokenResourceError, ssl.SSLError):
            pass


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None, **more: bytes) -> AsyncIterator[Server]:
    server = Server(**more)  # type: ignore[arg-type]  # the answer is bytes
    async with trio.open_nursery() as nursery:

        async def handle(stream: trio.SocketStream) -> None:
            if context is None:
                await server.serve(stream)
            else:
                await server.serve(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        server.port = listeners[0].socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


def leads_to(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that gives these, whatever is asked."""

    async def resolve(_: str, __: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        return addresses

    return resolve


def private(**more: object) -> WebhookSender:
    return WebhookSender(Clock(), allow_private=True, **more)  # type: ignore[arg-type]


async def test_what_arrives_is_signed_as_standard_webhooks_wants_it() -> None:
    new = new_secret()
    async with serving() as server:
        body = message(due("", SECRET), 0.0)
        sent = await private()(due(f"http://127.0.0.1:{server.port}/hook?x=1", new, SECRET), body)

    assert sent == Sent(204)
    ((first, headers, raw),) = server.requests
    assert first == b"POST /hook?x=1 HTTP/1.1"
    assert headers["webhook-id"] == "msg_acme_7"
    assert headers["content-type"] == "application/json"
    for secret in (new, SECRET):
        assert Verifier(secret.reveal()).verify(raw, headers) == json.loads(body)
    for changed in (raw + b" ", raw.replace(b"acme", b"evil")):
        with pytest.raises(WebhookVerificationError):
            Verifier(SECRET.reveal()).verify(changed, headers)


def test_a_message_has_the_words_of_the_stream() -> None:
    told = json.loads(message(due(""), 0.0))

    assert (told["type"], told["timestamp"]) == ("session.changed", "2026-11-18T11:06:40.500000Z")
    assert (told["data"]["id"], told["data"]["app_id"], told["data"]["after"]) == (7, "one", "AUTHORIZED")
    assert json.loads(message(due("", line=None), 0.0))["type"] == "ping"


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Sent(200)),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", Sent(302, Trouble.REFUSED)),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", Sent(500, Trouble.REFUSED)),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", Sent(410, Trouble.GONE)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000, Sent(200)),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2_000_000, Sent(trouble=Trouble.UNREACHABLE)),
        (b"nonsense\r\n\r\n", Sent(trouble=Trouble.UNREACHABLE)),
        (b"", Sent(trouble=Trouble.UNREACHABLE)),
    ],
)
async def test_of_an_answer_only_the_head_counts_and_no_redirect_is_followed(
    answer: bytes, sent: Sent
) -> None:
    async with serving(answer=answer) as server:
        assert await private()(due(f"http://127.0.0.1:{server.port}/"), "{}") == sent
        assert server.connections == 1


async def _say_nothing(_: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "DEADLINE", 0.2)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, _say_nothing, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        assert await private()(due(f"http://127.0.0.1:{port}/"), "{}") == Sent(trouble=Trouble.TOO_SLOW)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("169.254.169.254",),
        ("1.1.1.1", "10.0.0.1"),
        ("::1",),
        ("::ffff:127.0.0.1",),
        ("fe80::1%lo",),
    ],
)
async def test_a_public_name_that_leads_inside_is_refused_before_anybody_connects(
    addresses: tuple[str, ...],
) -> None:
    async with serving() as server:
        sender = WebhookSender(Clock(), resolve=leads_to(*addresses))
        sent = await sender(due(f"https://rebound.example:{server.port}/"), "{}")

    assert sent == Sent(trouble=Trouble.ADDRESS_REFUSED)
    assert server.connections == 0


async def test_a_url_that_was_allowed_once_is_judged_again_when_it_is_used() -> None:
    async with serving() as server:
        sender = WebhookSender(Clock(), resolve=leads_to("1.1.1.1"))
        for url in (f"http://127.0.0.1:{server.port}/", "http://hooks.example/", "https://localhost/"):
            assert await sender(due(url), "{}") == Sent(trouble=Trouble.ADDRESS_REFUSED)
        assert server.connections == 0


async def test_a_name_that_nobody_knows_is_unreachable() -> None:
    async def unknown(_: str, __: int) -> Sequence[str]:
        raise OSError("no such name")

    assert await private(resolve=unknown)(due("https://hooks.example/"), "{}") == Sent(
        trouble=Trouble.UNREACHABLE
    )


# -- the certificate is the name's, though the address is connected to


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for this name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))


@pytest.mark.parametrize(("name", "arrives"), [("hooks.example", True), ("other.example", False)])
async def test_it_goes_to_the_judged_address_under_the_names_own_certificate(
    tmp_path: Path, name: str, arrives: bool
) -> None:
    context, trusted = certificate("hooks.example", tmp_path)
    asked: list[str] = []
    context.sni_callback = lambda _, asked_name, __: asked.append(str(asked_name))
    async with serving(context) as server:
        sender = private(resolve=leads_to("127.0.0.1"), trusted=trusted)
        sent = await sender(due(f"https://{name}:{server.port}/"), "{}")

    assert sent == (Sent(204) if arrives else Sent(trouble=Trouble.UNREACHABLE))
    assert asked == [name]
    assert [headers["host"] for _, headers, _ in server.requests] == [f"{name}:{server.port}"] * arrives


# -- the work on the outbox


def test_a_delivery_is_tried_for_about_a_day() -> None:
    pauses = [pause(attempt, 0.5) for attempt in range(1, TRIES + 1)]

    assert pauses[-1] is None
    assert [round(seconds) for seconds in pauses[:3] if seconds] == [10, 30, 90]
    assert 86_400 <= sum(seconds for seconds in pauses if seconds) <= 30 * 3600
    assert [pause(1, chance) for chance in (0.0, 1.0)] == pytest.approx([8.0, 12.0])


@dataclass
class Desk:
    """The work on a fake outbox, and what it tells."""

    outbox: FakeOutbox
    told: list[Event]
    sent: list[str]
    works: Webhooks

    def outcomes(self) -> list[WebhookOutcome]:
        return [event.outcome for event in self.told if isinstance(event, WebhookTried)]


def desk(*answers: Sent | Exception | float) -> Desk:
    """A sender that gives these answers one after the other, the last for ever; a number is seconds of silence."""
    left, outbox = list(answers), FakeOutbox()
    sent: list[str] = []
    told: list[Event] = []

    async def send(due: Due, body: str) -> Sent:
        assert json.loads(body)["type"] == "ping"
        answer = left.pop(0) if len(left) > 1 else left[0]
        sent.append(due.message_id)
        match answer:
            case Exception():
                raise answer
            case float():
                await trio.sleep(answer)
                return Sent(200)
            case _:
                await trio.lowlevel.checkpoint()
                return answer

    return Desk(outbox, told, sent, Webhooks(outbox, send, Clock(), told.append))


@asynccontextmanager
async def working(desk: Desk) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.works.keep_delivering)
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("autojump_clock")
async def test_what_fails_is_tried_again_and_given_up_after_the_last_try() -> None:
    work = desk(Sent(500, Trouble.REFUSED))
    work.outbox.put("one")
    async with working(work):
        await trio.sleep(30 * 3600)

    assert work.sent == ["one"] * TRIES
    assert work.outcomes() == [WebhookOutcome.REFUSED] * (TRIES - 1) + [WebhookOutcome.DEAD]
    assert [type(event) for event in work.told[-2:]] == [WebhookGivenUp, WebhookTried]


@pytest.mark.usefixtures("autojump_clock")
async def test_an_error_of_ours_is_told_and_ends_nothing() -> None:
    work = desk(ValueError("ours"), Sent(200))
    work.outbox.put("one")
    async with working(work):
        await trio.sleep(60)

    assert work.outcomes() == [WebhookOutcome.FAILED, WebhookOutcome.DELIVERED]
    (first, _) = [event for event in work.told if isinstance(event, WebhookTried)]
    assert isinstance(first.error, ExceptionGroup)
    assert isinstance(first.error.exceptions[0], ValueError)


@pytest.mark.usefixtures("autojump_clock")
async def test_an_outage_of_the_database_is_waited_out() -> None:
    work = desk(Sent(200))
    work.outbox.down = True
    work.outbox.put("one")
    async with working(work):
        await trio.sleep(60)
        assert work.sent == []
        work.outbox.down = False
        await trio.sleep(2 * LOOK_EVERY)

    assert work.outcomes() == [WebhookOutcome.DELIVERED]


@pytest.mark.usefixtures("autojump_clock")
async def test_slow_servers_take_no_more_places_than_there_are() -> None:
    work = desk(10.0)
    work.outbox.put(*map(str, range(AT_ONCE + 5)))
    async with working(work):
        await trio.sleep(9)
        assert len(work.sent) == AT_ONCE
        await trio.sleep(9)
        assert len(work.sent) == AT_ONCE + 5


@pytest.mark.usefixtures("autojump_clock")
async def test_whoever_rings_need_not_wait_for_the_next_look() -> None:
    work = desk(Sent(200))
    async with working(work):
        await trio.sleep(0.5)
        work.outbox.put("one")
        work.works.ring()
        await trio.sleep(0.2)
        assert work.sent == ["one"]


@pytest.mark.usefixtures("autojump_clock")
async def test_a_long_journal_of_which_nothing_is_wanted_is_gone_through_without_waiting() -> None:
    work = desk(Sent(200))
    work.outbox.behind = 20
    async with working(work):
        await trio.sleep(20 * 2 * REST)
        assert work.outbox.behind == 0
        fed = work.outbox.fed
        await trio.sleep(3 * LOOK_EVERY)
        assert work.outbox.fed <= fed + 4  # and then no more than ever
