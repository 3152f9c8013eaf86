"""`python -m ops.bench.simultaneous`: a hundred people ask for their first QR at the same moment.

Prints the median and the 95th percentile of the answers, and counts cross-talk: a QR or a ticket shown twice.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from ops.launch.api import read_qr
from ops.launch.home import Home, Run
from ops.launch.stack import running

PEOPLE = 100


async def first_qr(http: httpx.AsyncClient, number: int) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    reply = await http.post(
        "/api/qr/start", json={"tenant_id": f"tenant{number % 10}", "app_id": f"app{number}"}
    )
    if not reply.is_success:
        print(f"refused: {reply.status_code} {reply.json().get('code')}")
    reply.raise_for_status()
    return time.perf_counter() - began, reply.json()


async def everybody(run: Run, people: int) -> list[tuple[float, dict[str, Any]]]:
    headers = {"Authorization": f"Bearer {run.service_key}"}
    limits = httpx.Limits(max_connections=people)
    async with httpx.AsyncClient(base_url=run.api_url, headers=headers, timeout=60, limits=limits) as http:
        await http.get("/healthz")
        return await asyncio.gather(*(first_qr(http, number) for number in range(people)))


def main() -> None:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder), sandbox=True)
        with running(home, sandbox=True) as stack:
            answers = asyncio.run(everybody(stack.run, people))
    seconds = sorted(one for one, _ in answers)
    tickets = {answer["ticket"] for _, answer in answers}
    codes = {read_qr(answer["qr_base64"]) for _, answer in answers}
    print(f"{people} first QRs: median {statistics.median(seconds):.2f} s, ", end="")
    print(f"p95 {seconds[int(0.95 * people) - 1]:.2f} s, slowest {seconds[-1]:.2f} s")
    print(f"tickets shown twice: {people - len(tickets)}, QRs shown twice: {people - len(codes)}")


if __name__ == "__main__":
    main()
