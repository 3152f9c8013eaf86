"""A real browser that opens a page, lets it work for a while, and tells what is in it then."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import trio

WORKS_FOR = 6_000
"""Milliseconds of the page's own time."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
)


async def opened(url: str, profile: Path) -> str:
    """The page's elements after a while, as HTML. Skips the test where there is no Chromium."""
    browser = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip("chromium is not installed")
    command = [browser, *_QUIET, f"--user-data-dir={profile}", f"--virtual-time-budget={WORKS_FOR}"]
    with trio.fail_after(90):
        done = await trio.run_process(
            [*command, "--dump-dom", url], capture_stdout=True, capture_stderr=True, check=False
        )
    if done.returncode:
        pytest.skip(f"chromium does not run here: {done.stderr.decode()[-200:]}")
    return done.stdout.decode()


def text_of(html: str, element_id: str) -> str:
    """What a person reads in an element that holds no other of its kind."""
    found = re.search(rf'<(\w+)[^>]*\sid="{element_id}"[^>]*>(.*?)</\1>', html, re.DOTALL)
    assert found is not None, html
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[2])).strip()
