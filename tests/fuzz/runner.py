"""Runs schemathesis in a process of its own against a running service, and reads what it found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import trio

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]

# Not allow_header_conformance: where two paths overlap, such as /login/flows and /login/{ticket}, Allow names the
# methods of both. Nor ignored_auth: the matrix of roles and routes tests that, and knows which routes are open.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,positive_data_acceptance,missing_required_header,"
    "unsupported_method"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A running service, and what its callers hold."""

    url: str
    credential: str
    hmac_secret: str


@dataclass(frozen=True, slots=True)
class Found:
    """How it went. `text` is everything that schemathesis said."""

    cases: int
    passed: bool
    text: str


async def fuzz(target: Target, *arguments: str, seed: int = 0) -> Found:
    """Let schemathesis loose on it. `arguments` say for how long."""
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["--config-file", str(FOLDER / "schemathesis.toml"), "run", f"{target.url}/openapi.json"]
    command += ["--checks", CHECKS, "--continue-on-failure", "--no-color", "--request-timeout", "40"]
    command += ["--exclude-operation-id", "followEvents"]  # it has no end
    command += ["--phases", "fuzzing,coverage", "--warnings", "off", "--suppress-health-check", "all"]
    command += ["--seed", str(seed), *arguments]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "PYTHONPATH": str(ROOT),
        "FUZZ_URL": target.url,
        "FUZZ_CREDENTIAL": f"Bearer {target.credential}",
        "FUZZ_HMAC_SECRET": target.hmac_secret,
        "FUZZ_SEED": str(seed),
    }
    done = await trio.run_process(
        command,
        cwd=ROOT,
        env=environment,
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
    )
    text = done.stdout.decode()
    cases = re.search(r"(\d+) generated", text)
    return Found(int(cases[1]) if cases else 0, done.returncode == 0, text)


def codes(text: str) -> list[str]:
    """The failures that schemathesis counts at the end."""
    return re.findall(r"❌ (ST\d+ [^\n]*)", text)


def server_errors(metrics: str) -> list[str]:
    """The lines of our own metrics that count answers of the kinds that must not be."""
    return re.findall(
        r'^http_requests_total\{[^}]*code="internal_error"[^}]*\} [1-9].*$', metrics, re.MULTILINE
    )
