"""Secrets through every flow of the running service, and then a search for them wherever they must not be."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import init_data_py
import jwt
import pytest
import redis
import trio

from actors.adapters.callback_keys import DerivedCallbackKeys
from actors.adapters.keyring import add_key
from actors.bridge import in_asyncio, open_loop
from actors.core.secret import Secret
from tests.http.credentials import callback_headers, callback_request
from tests.stores import Database
from tests.stories.conftest import BORIS, RunningSandbox, qr_url

ROOT = Path(__file__).parents[2]
RIGHT_PASSWORD = "sandbox-2fa"
NUMBER = "+15557391846"
BOT = 7000000003


def made_up(name: str) -> str:
    """A secret that nothing else in the world holds."""
    return f"canary-{name}-{uuid4().hex}"


@dataclass
class Running:
    """The service in a process of its own, everything that it said, and every secret that it was told."""

    http: httpx.AsyncClient
    metrics_url: str
    pid: int
    log: Path
    environment: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)

    def keep(self, name: str, value: str) -> str:
        self.secrets[name] = value
        return value

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = await self.http.request(method, path, **more)
        self.answers.append(answer)
        return answer


@asynccontextmanager
async def served(
    database: Database, redis_url: str, sandbox: RunningSandbox, folder: Path
) -> AsyncIterator[Running]:
    secrets = {
        "SUPABASE_SERVICE_ROLE_KEY": made_up("service"),
        "MINIAPP_HMAC_SECRET": made_up("hmac"),
        "MINIAPP_HMAC_SECRET_NEXT": made_up("next"),
        "SUPABASE_JWT_SECRET": made_up("jwt"),
        "TELEGRAM_BOT_TOKEN": f"{BOT}:canary{uuid4().hex}",
    }
    settings = {
        "DATABASE_URL": database.app_url,
        "REDIS_URL": redis_url,
        "MINIAPP_BOTS": f"{BOT}=demo",
        "TELEGRAM_SANDBOX": str(sandbox.file),
        "SESSIONS_BASE_PATH": str(folder / "sessions"),
        "PORT": "0",
        "METRICS_PORT": "0",
        "LOG_LEVEL": "debug",
        "BACKUP_ENCRYPTION_KEY_PATH": str(folder / "keyring"),
    }
    add_key(folder / "keyring", "one")
    secrets["the keyring's key"] = (folder / "keyring").read_text().split()[1]
    environment = {**os.environ, **settings, **secrets}
    log = folder / "log"
    with log.open("wb") as errors:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "supervisor"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    try:
        with trio.fail_after(60):
            ready = json.loads(await process.stdout.receive_some())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ready['api_port']}", timeout=40) as http:
            metrics = f"http://127.0.0.1:{ready['metrics_port']}/metrics"
            yield Running(http, metrics, process.pid, log, environment, dict(secrets))
    finally:
        process.terminate()
        with trio.move_on_after(35):
            await process.wait()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def credentials(service: Running) -> dict[str, dict[str, str]]:
    """One header of every kind, each of which is a secret."""
    done = await trio.run_process(
        [
            sys.executable,
            "-m",
            "ops.api_keys",
            "create",
            "--role",
            "tenant",
            "--tenant",
            "demo",
            "--label",
            "x",
        ],
        cwd=ROOT,
        env=service.environment,
        capture_stdout=True,
        capture_stderr=True,
    )
    key = service.keep("API key", done.stdout.decode().strip())
    claims = {
        "aud": "authenticated",
        "exp": int(time.time()) + 600,
        "sub": str(uuid4()),
        "app_metadata": {"tenant_id": "demo"},
    }
    user = service.keep("Supabase token", jwt.encode(claims, service.secrets["SUPABASE_JWT_SECRET"], "HS256"))
    signed = init_data_py.sign(
        {"user": json.dumps({"id": 5, "first_name": "x"}), "query_id": made_up("query")},
        service.secrets["TELEGRAM_BOT_TOKEN"],
    )
    service.keep("init data's hash", signed.rpartition("hash=")[2])
    tma = {"Authorization": f"tma {signed}"}
    issued = (await service.call("POST", "/api/v1/session", json={}, headers=tma)).json()
    page = service.keep("short session", issued["token"])
    service.answers.pop()  # whoever asks for a token is told one
    found = {"service": bearer(service.secrets["SUPABASE_SERVICE_ROLE_KEY"]), "key": bearer(key)}
    return {**found, "user": bearer(user), "mini app": tma, "page": bearer(page)}


async def log_in(service: Running, sandbox: RunningSandbox, header: dict[str, str]) -> str:
    """Link an account that has a 2FA password, after a wrong one. Answers the ticket."""
    names = {"tenant_id": "demo", "app_id": "main"}
    started = (await service.http.post("/api/qr/start", json=names, headers=header)).json()
    ticket = service.keep("ticket", started["ticket"])
    url = service.keep("QR", qr_url(started))
    service.keep("QR's token", url.partition("token=")[2])
    await sandbox.accept(url, BORIS)
    service.keep("2FA password", RIGHT_PASSWORD)
    with trio.fail_after(30):
        while True:
            wrong = service.keep("wrong password", made_up("password"))
            answer = await service.call(
                "POST", "/api/qr/password", json={"ticket": ticket, "password": wrong}, headers=header
            )
            if answer.json()["code"] == "password_invalid":
                break
            await trio.sleep(0.3)
    right = {"ticket": ticket, "password": RIGHT_PASSWORD}
    assert (await service.call("POST", "/api/qr/password", json=right, headers=header)).status_code == 200
    return ticket


async def other_ways(service: Running, header: dict[str, str]) -> None:
    """Log in by phone number and by a bot's token, with what Telegram does not take."""
    number, token = (
        service.keep("number", NUMBER),
        service.keep("bot's token", f"8123456789:{uuid4().hex}abc"),
    )
    names = {"tenant_id": "demo", "app_id": "second"}
    begun = await service.http.post(
        "/api/v1/login/start/code", json=names | {"phone": number}, headers=header
    )
    if begun.status_code == 200:
        other = service.keep("second ticket", begun.json()["login"]["ticket"])
        step = {"txn_id": "a", "type": "code", "code": service.keep("code", "7391846205")}
        await service.http.post("/api/v1/login/current/step", json=step, headers=header | {"X-Ticket": other})
    body = {"tenant_id": "demo", "app_id": "third", "bot_token": token}
    await service.call("POST", "/api/v1/login/start/bot", json=body, headers=header)


async def hook_up(service: Running, header: dict[str, str]) -> None:
    """A webhook, whose secrets are told once; and its tenant's events."""
    path = "/api/v1/tenants/demo/webhooks"
    made = await service.http.post(path, json={"url": "https://hooks.example/x"}, headers=header)
    service.keep("webhook's secret", made.json()["secret"])
    webhook = f"{path}/{made.json()['webhook_id']}"
    rotated = await service.http.post(f"{webhook}/rotate", headers=header)
    service.keep("webhook's next secret", rotated.json()["secret"])
    for shown in (path, webhook, f"{webhook}/deliveries", "/api/v1/sessions/demo/main/events"):
        answer = await service.http.get(shown, headers=header)
        assert answer.status_code == 200
        assert hits(service.secrets, shown, answer.content) == []


async def call_back(service: Running, ticket: str) -> None:
    """A signed callback, a forged one, and one twice."""
    for name in ("MINIAPP_HMAC_SECRET", "MINIAPP_HMAC_SECRET_NEXT"):
        (key,) = DerivedCallbackKeys(Secret(service.secrets[name])).of("demo")
        service.keep(f"key of {name}", key.secret.hex())
        body = json.dumps({"ticket": ticket, "tg_user_id": 5, "two_fa_required": False}).encode()
        headers = callback_headers(callback_request(key, body, time.time())) | {
            "Content-Type": "application/json"
        }
        service.keep(f"signature of {name}", headers["X-Miniapp-Signature"].removeprefix("v1="))
        for _ in range(2):
            await service.call("POST", "/api/qr/callback", content=body, headers=headers)


async def nonsense(service: Running, header: dict[str, str]) -> None:
    """Every secret where it does not belong."""
    for secret in list(service.secrets.values()):
        shown = secret.encode()
        await service.call(
            "GET", "/api/qr/status", headers=header, params={"ticket": secret, "nothing": secret}
        )
        await service.call("GET", "/api/v1/login/current", headers=header | {"X-Ticket": secret})
        await service.call("GET", "/api/v1/tree", headers={"Authorization": f"Basic {secret}"})
        await service.call("GET", "/api/v1/tree", headers={"Authorization": f"tma {secret}"})
        await service.call("POST", "/api/qr/start", content=b'{"' + shown + b'": 1}', headers=header)
        await service.call(
            "POST", "/api/qr/password", json={"password": secret, secret: secret}, headers=header
        )
        await service.call(
            "POST", "/api/qr/start", json={"tenant_id": secret, "app_id": secret}, headers=header
        )


def hits(secrets: dict[str, str], where: str, text: str | bytes) -> list[str]:
    """Which of the secrets are in there."""
    raw = text if isinstance(text, bytes) else text.encode()
    return [f"{name} in {where}" for name, secret in secrets.items() if secret.encode() in raw]


async def rows(url: str) -> str:
    """Everything in every table of the database."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = relnamespace "
            "where relkind in ('r', 'p') and nspname not in ('pg_catalog', 'information_schema')"
        )
        found = [await connection.fetch(f"select t::text from {table['name']} t") for table in tables]  # noqa: S608 - our own names
    finally:
        await connection.close()
    return "\n".join(str(row[0]) for table in found for row in table)


def keys_and_values(url: str) -> bytes:
    """Everything in Valkey, each key as it is dumped."""
    with redis.Redis.from_url(url) as client:
        return b"\n".join(key + b" " + (client.dump(key) or b"") for key in client.scan_iter())


def kept_auth_key(session: Path) -> bytes:
    """The key in a session file, which is its place: nothing else may hold it in clear."""
    # Immutable, for while the service uses it nobody else may lock it.
    with closing(sqlite3.connect(f"{session.as_uri()}?immutable=1", uri=True)) as connection:
        ((key,),) = connection.execute("select auth_key from sessions")
    assert len(key) == 256
    return bytes(key)


def command_lines() -> bytes:
    """The arguments of every process on this machine that we may see."""
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += path.read_bytes() + b"\n"
        except OSError:
            continue
    return found


@pytest.mark.timeout(300)
async def test_no_secret_is_found_where_it_does_not_belong(
    database: Database, redis_url: str, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    async with served(database, redis_url, sandbox, tmp_path) as service:
        known = await credentials(service)
        ticket = await log_in(service, sandbox, known["key"])
        await other_ways(service, known["service"])
        await call_back(service, ticket)
        await hook_up(service, known["key"])
        for header in known.values():
            await service.call("GET", "/api/v1/login/flows", headers=header)
            await service.call("GET", "/api/v1/sessions", headers=header)
        await nonsense(service, known["key"])
        auth_key = kept_auth_key(tmp_path / "sessions" / "demo" / "main.session")
        metrics = (await service.http.get(service.metrics_url)).text
        valkey = await trio.to_thread.run_sync(keys_and_values, redis_url)
        processes = await trio.to_thread.run_sync(command_lines)
    database_rows = await _rows_in_asyncio(database.admin_url)

    secrets = service.secrets
    assert len(secrets) > 18
    assert {"code", "number", "QR", "2FA password", "short session"} <= set(secrets)
    found: list[str] = []
    refusals = [answer for answer in service.answers if answer.is_error]
    assert len(refusals) > 50
    for answer in refusals:
        found += hits(secrets, f"the answer of {answer.url.path}", answer.content)
    found += hits(secrets, "the log", service.log.read_bytes())
    found += hits(secrets, "the metrics", metrics)
    found += hits(secrets, "Valkey", valkey)
    found += hits(secrets, "PostgreSQL", database_rows)
    found += hits(secrets, "the list of processes", processes)
    written = {
        "the auth key": auth_key.hex(),
        "the auth key in base64": base64.b64encode(auth_key).decode()[:200],
    }
    for where, text in (
        ("the log", service.log.read_bytes()),
        ("Valkey", valkey),
        ("PostgreSQL", database_rows),
    ):
        found += hits(written, where, text)
        raw = text if isinstance(text, bytes) else text.encode()
        assert auth_key not in raw, where
    for path in (tmp_path / "sessions").rglob("*"):
        if path.is_file():
            found += hits(secrets, f"the file {path.name}", path.read_bytes())
    assert found == []
    # The search itself works: what is known to be there is found.
    assert b"usm:" in valkey
    assert "demo" in database_rows
    assert b"session changed" in service.log.read_bytes()
    assert str(service.pid).isdigit()


async def _rows_in_asyncio(url: str) -> str:

    async with open_loop():
        return await in_asyncio(rows, url)
