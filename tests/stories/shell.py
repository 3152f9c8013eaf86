"""A shell beside a running service, in which an operator's commands run in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
import zxingcpp

from tests.stories.conftest import SERVICE_KEY
from tests.stories.terminal import ROOT

SESSIONCTL = ("-m", "ops.sessionctl")
SESSION_CLI = (str(ROOT / "ops" / "session_cli.py"),)
OURS = ("SESSIONCTL_", "DATABASE_", "REDIS_", "SUPABASE_", "BACKUP_")


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that runs, until the block ends."""

    process: trio.Process
    stdout: trio.abc.ReceiveStream
    stderr: trio.abc.ReceiveStream

    async def type(self, text: str) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(text.encode())

    async def ended(self) -> int:
        with trio.fail_after(20):
            return await self.process.wait()


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell in which one program is called with different words."""

    url: str
    program: tuple[str, ...] = SESSIONCTL
    folder: Path = ROOT
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        ours = {"SESSIONCTL_URL": self.url, "SESSIONCTL_KEY": SERVICE_KEY, "NO_COLOR": "1"}
        return {**others, **ours, **self.more}

    async def run(self, *words: str, typed: str = "", **more: str) -> Done:
        with trio.fail_after(60):
            done = await trio.run_process(
                [sys.executable, *self.program, *words],
                cwd=self.folder,
                env=self.environment | more,
                stdin=typed.encode(),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    @asynccontextmanager
    async def begin(
        self, *words: str, stdin: int = subprocess.PIPE, stdout: int = subprocess.PIPE
    ) -> AsyncIterator[Begun]:
        process = await trio.lowlevel.open_process(
            [sys.executable, *self.program, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            start_new_session=True,  # or passwords would be asked for in the terminal in which the tests run
        )
        assert process.stderr is not None
        try:
            yield Begun(process, process.stdout or process.stderr, process.stderr)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    await trio.aclose_forcefully(stream)


async def read_until(stream: trio.abc.ReceiveStream, end: bytes) -> str:
    """What a process says until it has said this."""
    said = b""
    with trio.fail_after(30):
        while end not in said:
            got = await stream.receive_some()
            assert got, said
            said += got
    return said.decode()


_PICTURE = re.compile(r"^ +▀{7} .*^ +▀{7} [^\n]*\n", re.MULTILINE | re.DOTALL)
"""From the last line of a QR's upper corners to that of its lower one: a terminal brings a picture in pieces."""


async def read_picture(stream: trio.abc.ReceiveStream) -> str:
    """What a process says until it has shown a whole QR."""
    said = b""
    with trio.fail_after(30):
        while not _PICTURE.search(said.decode(errors="ignore").replace("\r", "")):
            got = await stream.receive_some()
            assert got, said
            said += got
    return said.decode(errors="ignore")


def scanned(text: str) -> str:
    """What a phone's camera sees on this screen."""
    lines = [line[4:] for line in text.splitlines() if set(line) <= set(" ▄▀█") and len(line) > 20]
    dark = [
        [block in "▀█" if half == 0 else block in "▄█" for block in line] for line in lines for half in (0, 1)
    ]
    width = len(lines[0])
    rows = [bytes(0 if module else 255 for module in row for _ in range(8)) for row in dark for _ in range(8)]
    image = memoryview(b"".join(rows)).cast("B", shape=[len(dark) * 8, width * 8])
    found = zxingcpp.read_barcode(image)
    assert found is not None, text
    return str(found.text)


def ticket_in(shown: str) -> str:
    """The ticket that qr-login shows."""
    found = re.search(r"^ticket: (\S{43})$", shown, flags=re.MULTILINE)
    assert found is not None, shown
    return found[1]
