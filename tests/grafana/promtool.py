"""Prometheus's own tool for rules. Tests that need it skip where it is not installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def promtool(folder: Path, kind: str, content: dict[str, Any]) -> str:
    """Let it `check` or `test` this file of rules; what it says. JSON is YAML too."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    file = folder / f"{kind}.yml"
    file.write_text(json.dumps(content))
    done = subprocess.run(
        ["promtool", kind, "rules", str(file)], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
