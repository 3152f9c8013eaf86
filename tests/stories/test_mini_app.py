"""The page's own module in a Mini App: what Telegram signed becomes a session, and that a login of one's own."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import init_data_py
import pytest
import trio
from pydantic import SecretStr

from supervisor.settings import Settings
from tests.stories.conftest import running

API = Path(__file__).parents[2] / "api" / "static" / "api.js"
BOT, TOKEN = 7000000004, "7000000004:AAtest-bot-token-of-nobody-at-all-000"
ANNA_ID = 4242

SCRIPT = """
import { pathToFileURL } from "node:url";
const [module, base, launch] = process.argv.slice(2);
const real = globalThis.fetch;
globalThis.fetch = (path, options) => real(base + path, options);  // a browser knows where its page came from
const { Api } = await import(pathToFileURL(module).href);
const opened = JSON.parse(launch);
const api = new Api(opened);
await api.open();
const { login, step } = await api.start("qr");
const again = await api.read(login.ticket);
console.log(JSON.stringify({ opened, login, step: step.step_id, again: again.login.ticket }));
"""


async def test_the_page_begins_a_login_of_the_person_who_opened_it(
    settings: Settings, tmp_path: Path
) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    own = settings.model_copy(update={"miniapp_bots": {BOT: "demo"}, "telegram_bot_token": SecretStr(TOKEN)})
    user = json.dumps({"id": ANNA_ID, "first_name": "Anna"})
    launch = {"initData": init_data_py.sign({"user": user}, TOKEN, auth_date=time.time())}
    script = tmp_path / "page.mjs"
    script.write_text(SCRIPT)
    async with running(own) as service:
        base = str(service.http.base_url).rstrip("/")
        command = ["node", str(script), str(API), base, json.dumps(launch)]
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        shown = json.loads(done.stdout)
        session = (await service.http.get(f"/api/v1/sessions/demo/tg{ANNA_ID}")).json()

    assert shown["step"] == "qr"
    assert (shown["login"]["tenant_id"], shown["login"]["app_id"]) == ("demo", f"tg{ANNA_ID}")
    assert shown["again"] == shown["login"]["ticket"]
    assert session["state"] == "PENDING_QR"
    assert "initData" not in shown["opened"]
