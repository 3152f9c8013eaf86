"""Users of Supabase's: whose tokens are believed, and which of their claims."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import jwt
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from actors.adapters.jwks import ASK_AGAIN, FRESH, LARGEST, Jwks
from actors.bridge import in_asyncio, in_trio, open_loop
from actors.clock import Clock
from actors.core.secret import Secret
from actors.errors import StoreUnavailable
from api.trust import SupabaseTokens
from tests.http.conftest import SERVICE_KEY, Answer, VirtualTime, World
from tests.http.credentials import SUPABASE_SECRET, supabase_token

URL = "https://project.example/auth/v1/.well-known/jwks.json"
EC, OTHER_EC = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()


def _jwk(kid: str, key: Any) -> dict[str, Any]:
    match key:
        case ec.EllipticCurvePrivateKey():
            found = ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"alg": "ES256"}
        case rsa.RSAPrivateKey():
            found = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"alg": "RS256"}
        case _:
            found = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"alg": "EdDSA"}
    return dict(found) | {"kid": kid, "use": "sig"}


PUBLISHED = {"keys": [_jwk("ec", EC), _jwk("rsa", RSA), _jwk("ed", ED)]}


class Publisher:
    """Supabase's address of keys: answers, or is down, and counts how often it was asked."""

    def __init__(self, document: Any = PUBLISHED) -> None:
        self.document = document
        self.down = False
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == URL
        self.asked += 1
        if self.down:
            raise httpx.ConnectError("down", request=request)
        return httpx.Response(200, json=self.document)

    def keys(self, clock: Clock) -> Jwks:
        return Jwks(URL, clock, httpx.MockTransport(self))


def _signed(world: World, key: Any, kid: str | None, algorithm: str, **changes: Any) -> str:
    claims = jwt.decode(
        supabase_token(world.doors.clock.now(), **changes), options={"verify_signature": False}
    )
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def _both(world: World) -> SupabaseTokens:
    """A project with a shared secret and with published keys."""
    return SupabaseTokens(Secret(SUPABASE_SECRET), Publisher().keys(world.doors.clock))


async def _list(world: World, token: str) -> Answer:
    return await world.call("GET", "/api/v1/sessions", headers={"Authorization": f"Bearer {token}"})


async def _code(world: World, token: str) -> str:
    answer = await _list(world, token)
    return "let in" if answer.status == 200 else answer.code


async def test_a_token_of_the_project_s_secret_is_its_tenant_s(world: World) -> None:
    now = world.doors.clock.now()

    assert (await _list(world, supabase_token(now))).status == 200
    other = await world.call(
        "POST",
        "/api/qr/start",
        {"tenant_id": "other", "app_id": "main"},
        headers={"Authorization": f"Bearer {supabase_token(now)}"},
    )
    assert other.code == "tenant_mismatch"


@pytest.mark.parametrize(
    "changes",
    [
        {"app_metadata": None},
        {"app_metadata": {}},
        {"app_metadata": {"tenant_id": None}},
        {"app_metadata": {"tenant_id": 7}},
        {"app_metadata": {"tenant_id": ""}},
        {"app_metadata": {"tenant_id": "../demo"}},
        {"app_metadata": {"tenant_id": ["demo"]}},
        {"app_metadata": None, "user_metadata": {"tenant_id": "demo"}},
        {"app_metadata": None, "tenant_id": "demo"},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 65},
        {"aud": "anon"},
        {"aud": ["authenticated", "usm"]},
        {"exp": None},
        {"exp": "2099"},
        {"exp": True},
    ],
    ids=str,
)
async def test_a_token_without_what_we_need_lets_nobody_in(world: World, changes: dict[str, Any]) -> None:
    assert await _code(world, supabase_token(world.doors.clock.now(), **changes)) == "unauthenticated"


async def test_times_are_judged_by_our_clock(world: World, time: VirtualTime) -> None:
    now = int(world.doors.clock.now())

    assert await _code(world, supabase_token(now, exp=now - 1)) == "session_expired"
    assert await _code(world, supabase_token(now, nbf=now + 60)) == "unauthenticated"
    assert await _code(world, supabase_token(now, iat=now + 60)) == "unauthenticated"
    assert await _code(world, supabase_token(now, nbf=now + 20, iat=now + 20)) == "let in"
    token = supabase_token(now, exp=now + 100)
    await time.after(101)
    assert await _code(world, token) == "session_expired"


async def test_another_secret_is_not_the_project_s(world: World) -> None:
    now = world.doors.clock.now()

    for key in (f"{SUPABASE_SECRET}x", SERVICE_KEY.reveal(), "x" * 32):
        assert await _code(world, supabase_token(now, key=key)) == "unauthenticated"
    world.change(supabase=SupabaseTokens())
    assert await _code(world, supabase_token(now)) == "unauthenticated"
    world.change(supabase=None)
    assert await _code(world, supabase_token(now)) == "unauthenticated"


@pytest.mark.parametrize(
    ("kid", "key", "algorithm"), [("ec", EC, "ES256"), ("rsa", RSA, "RS256"), ("ed", ED, "EdDSA")]
)
async def test_a_token_of_a_published_key_is_believed(
    world: World, kid: str, key: Any, algorithm: str
) -> None:
    world.change(supabase=SupabaseTokens(keys=Publisher().keys(world.doors.clock)))

    assert await _code(world, _signed(world, key, kid, algorithm)) == "let in"
    for wrong in (
        _signed(world, key, None, algorithm),
        _signed(world, key, "nobody", algorithm),
        _signed(world, OTHER_EC, "ec", "ES256"),
        supabase_token(world.doors.clock.now()),
    ):
        assert await _code(world, wrong) == "unauthenticated"


async def test_a_public_key_is_never_taken_for_a_shared_secret(world: World) -> None:
    world.change(supabase=_both(world))
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = supabase_token(world.doors.clock.now(), key="x" * 40).rpartition(".")[0].split(".")
    for kid in ("rsa", "ec"):
        header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid, "typ": "JWT"}).encode())
        signed = header.rstrip(b"=") + b"." + forged[1].encode()
        mac = base64.urlsafe_b64encode(hmac.digest(pem, signed, hashlib.sha256)).rstrip(b"=")
        assert await _code(world, (signed + b"." + mac).decode()) == "unauthenticated"


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512", "RS512", "PS256", "ES384"])
async def test_an_algorithm_that_is_not_pinned_is_refused(world: World, algorithm: str) -> None:
    world.change(supabase=_both(world))
    header = (
        base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "rsa"}).encode()).rstrip(b"=").decode()
    )
    rest = supabase_token(world.doors.clock.now()).partition(".")[2]

    assert await _code(world, f"{header}.{rest}") == "unauthenticated"
    assert await _code(world, f"{header}.{rest.rpartition('.')[0]}.") == "unauthenticated"


async def test_keys_are_asked_for_once_in_a_while_only(time: VirtualTime) -> None:
    publisher = Publisher()
    keys = publisher.keys(Clock())
    found: list[object] = []

    async def find() -> None:
        found.append(await keys.find("ec"))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(find)
    assert (len(found), None in found, publisher.asked) == (20, False, 1)

    for _ in range(50):
        assert await keys.find("made-up") is None
    assert publisher.asked == 1
    await time.after(ASK_AGAIN + 1)
    assert await keys.find("made-up") is None
    assert publisher.asked == 2
    await time.after(FRESH + 1)
    await keys.find("ec")
    assert publisher.asked == 3


async def test_who_comes_while_the_keys_are_fetched_waits_for_them(time: VirtualTime) -> None:
    answer = trio.Event()

    async def publish(_: httpx.Request) -> httpx.Response:
        await answer.wait()
        return httpx.Response(200, json=PUBLISHED)

    keys = Jwks(URL, Clock(), httpx.MockTransport(publish))
    found: list[object] = []

    async def find() -> None:
        found.append(await keys.find("ec"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(find)
        await time.after(1)
        nursery.start_soon(find)
        await time.after(1)
        answer.set()
    assert (len(found), None in found) == (2, False)


async def test_a_new_key_is_found_and_a_withdrawn_one_is_not(time: VirtualTime) -> None:
    publisher = Publisher({"keys": [_jwk("ec", EC)]})
    keys = publisher.keys(Clock())
    assert await keys.find("ec")
    publisher.document = {"keys": [_jwk("new", OTHER_EC)]}
    await time.after(ASK_AGAIN + 1)

    assert await keys.find("new")
    assert await keys.find("ec") is None


async def test_while_the_address_is_down_the_last_keys_count_for_a_day(time: VirtualTime) -> None:
    publisher = Publisher()
    keys = publisher.keys(Clock())
    assert await keys.find("ec")
    publisher.down = True
    await time.after(FRESH + 1)
    assert await keys.find("ec")
    await time.after(Jwks.LONGEST_STALE)
    with pytest.raises(StoreUnavailable):
        await keys.find("ec")


async def test_an_address_that_never_answered_is_an_outage_and_no_refusal(world: World) -> None:
    publisher = Publisher()
    publisher.down = True
    world.change(supabase=SupabaseTokens(keys=publisher.keys(world.doors.clock)))

    assert await _code(world, _signed(world, EC, "ec", "ES256")) == "store_unavailable"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"keys": {}},
        {"keys": [{"kty": "oct", "kid": "ec", "k": "c2VjcmV0"}]},
        {"keys": [{"kty": "EC", "kid": "ec"}]},
        {"keys": ["x" * LARGEST]},
    ],
    ids=["list", "object", "no list", "symmetric", "half a key", "huge"],
)
async def test_what_is_no_list_of_public_keys_is_not_believed(document: Any) -> None:
    keys = Publisher(document).keys(Clock())

    try:
        found = await keys.find("ec")
    except StoreUnavailable:
        return
    assert found is None


async def test_one_key_that_we_cannot_use_makes_no_other_worse() -> None:
    keys = Publisher({"keys": [{"kty": "EC", "kid": "half"}, *PUBLISHED["keys"]]}).keys(Clock())

    assert await keys.find("ec") is not None
    assert await keys.find("half") is None


async def test_while_a_list_has_nothing_that_we_can_use_the_last_one_counts(time: VirtualTime) -> None:
    publisher = Publisher()
    keys = publisher.keys(Clock())
    assert await keys.find("ec") is not None

    publisher.document = {"keys": [{"kty": "EC", "kid": "ec"}]}
    await time.after(FRESH + 1)

    assert await keys.find("ec") is not None


class _Served(BaseHTTPRequestHandler):
    """The keys on a real socket."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(PUBLISHED).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def published() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Served) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        server.shutdown()
        thread.join()


async def test_keys_are_fetched_over_a_real_connection_while_a_request_waits(published: str) -> None:
    """On the real clock: a real socket knows no other."""
    keys = Jwks(published, Clock())

    async def as_a_handler_does() -> Any:
        return await in_trio(keys.find, "ec")

    async with open_loop():
        assert await in_asyncio(as_a_handler_does) is not None
