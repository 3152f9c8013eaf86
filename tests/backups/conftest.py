"""Where backups are tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backups.examples import Shelf, shelf_in


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty folder of backups."""
    return shelf_in(tmp_path)
