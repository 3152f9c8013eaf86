"""The limit of file descriptors, in processes of their own, since it cannot be raised again once it was lowered."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys
import structlog
from supervisor.descriptors import want_descriptors

soft, hard, sessions = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
with structlog.testing.capture_logs() as logs:
    want_descriptors(sessions)
print(json.dumps({"limit": resource.getrlimit(resource.RLIMIT_NOFILE), "logs": logs}))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "sessions", "then", "enough_for"),
    [
        (256, 8192, 500, 5352, None),
        (256, 5352, 500, 5352, None),
        (256, 5000, 500, 5000, 324),
        (6000, 8192, 500, 6000, None),
        (256, 1024, 500, 1024, 0),
    ],
)
def test_the_limit_is_raised_to_what_sessions_need_and_the_rest_is_told(
    soft: int, hard: int, sessions: int, then: int, enough_for: int | None
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(sessions)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert told["limit"] == [then, hard]
    assert [line["enough_for"] for line in told["logs"]] == ([] if enough_for is None else [enough_for])
