"""The service in a process of its own, which can be killed: `python -m supervisor`, with the settings of a story."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trio

from supervisor.settings import Settings
from tests.stories.conftest import SERVICE_KEY, Service
from tests.stories.terminal import ROOT

UP_WITHIN = 60.0
STOPPED_WITHIN = 35.0


@dataclass(frozen=True, slots=True)
class Served:
    """The running process, and its service by HTTP."""

    process: trio.Process
    service: Service


def environment_of(settings: Settings) -> dict[str, str]:
    """What a process needs to have these settings."""
    return {
        **os.environ,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SUPABASE_SERVICE_ROLE_KEY": settings.supabase_service_role_key.get_secret_value(),
        "MINIAPP_HMAC_SECRET": settings.miniapp_hmac_secret.get_secret_value(),
        "BACKUP_ENCRYPTION_KEY_PATH": str(settings.backup_encryption_key_path),
        "TELEGRAM_SANDBOX": str(settings.telegram_sandbox),
        "SESSIONS_BASE_PATH": str(settings.sessions_base_path),
        "PORT": "0",
        "METRICS_PORT": "0",
    }


@asynccontextmanager
async def served(
    settings: Settings, log: Path, more: Mapping[str, str] | None = None
) -> AsyncIterator[Served]:
    """The service, until it is killed or the block ends; what it says is added to `log`."""
    with log.open("ab") as errors:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "supervisor"],
            cwd=ROOT,
            env=environment_of(settings) | dict(more or {}),
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    try:
        with trio.fail_after(UP_WITHIN):
            said = b""
            while not said.endswith(b"\n"):
                assert process.poll() is None, await trio.Path(log).read_text()
                said += await process.stdout.receive_some()
        ready = json.loads(said)
        url, metrics = (f"http://127.0.0.1:{ready[port]}" for port in ("api_port", "metrics_port"))
        headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
            yield Served(process, Service(http, f"{metrics}/metrics"))
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.terminate()
            with trio.move_on_after(STOPPED_WITHIN):
                await process.wait()
            if process.poll() is None:
                process.kill()
            await process.stdout.aclose()
