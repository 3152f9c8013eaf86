"""The operators' page in a real browser, and its own module against a running service."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import trio

from supervisor.settings import Settings
from tests.stories.browser import opened, text_of
from tests.stories.conftest import ANNA, SERVICE_KEY, RunningSandbox, Service, qr_url, running

MODULE = Path(__file__).parents[2] / "api" / "static" / "operator" / "service.js"

SCRIPT = """
import { pathToFileURL } from "node:url";
const [module, base, key] = process.argv.slice(2);
const real = globalThis.fetch;
const statuses = [];
globalThis.fetch = async (path, options) => {  // a browser knows where its page came from
  const answer = await real(base + path, options);
  statuses.push(answer.status);
  return answer;
};
const { Service } = await import(pathToFileURL(module).href);
const service = new Service(key);
const first = await service.sessions(null);
const again = await service.sessions(null);
const stopped = await service.command("demo/main", "stop");
const refusal = await service.command("demo/nobody", "stop").catch((problem) => problem.code);
const { events } = await service.history("demo/main");
console.log(JSON.stringify({ first, again, statuses, stopped, refusal, newest: events[0].message }));
"""


def base_url(service: Service) -> str:
    return str(service.http.base_url).rstrip("/")


async def linked(service: Service, sandbox: RunningSandbox) -> None:
    """Anna's session, demo/main."""
    started = await service.start()
    await sandbox.accept(qr_url(started), ANNA)
    await service.wait_for(started["ticket"], "AUTHORIZED")


async def test_the_page_shows_every_session_and_opens_the_one_that_it_was_asked_for(
    settings: Settings, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    async with running(settings) as service:
        await linked(service, sandbox)
        page = await opened(f"{base_url(service)}/operator#key={SERVICE_KEY}&session=demo/main", tmp_path)

    assert "demo/main AUTHORIZED online" in text_of(page, "rows")
    assert "1 run on one node 1 AUTHORIZED" in text_of(page, "states")
    assert "None: every breaker is closed." in text_of(page, "troubles")
    assert '<dialog id="panel" aria-labelledby="panel-name" open' in page
    assert "SignedIn" in text_of(page, "history")
    assert text_of(page, "alive") == "live"
    assert SERVICE_KEY not in page


@pytest.mark.parametrize("key", ["of-nobody-at-all", "%0A", "é"])
async def test_a_key_that_opens_nothing_is_told_so(settings: Settings, tmp_path: Path, key: str) -> None:
    async with running(settings) as service:
        page = await opened(f"{base_url(service)}/operator#key={key}", tmp_path)

    assert "does not open the operators' page" in text_of(page, "key-fault")
    assert '<div id="page" hidden' in page


async def test_what_has_not_changed_is_not_sent_again_and_commands_are_carried_out(
    settings: Settings, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    script = tmp_path / "service.mjs"
    script.write_text(SCRIPT)
    async with running(settings) as service:
        await linked(service, sandbox)
        command = ["node", str(script), str(MODULE), base_url(service), SERVICE_KEY]
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)

    assert told["first"] == told["again"]
    assert told["statuses"][:2] == [200, 304]
    assert told["stopped"]["desired_state"] == "stopped"
    assert told["refusal"] == "session_unknown"
    assert told["newest"] == "SignedIn"
