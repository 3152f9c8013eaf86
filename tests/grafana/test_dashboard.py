"""The dashboard asks for metrics that there are, in expressions that Prometheus takes, and leaves none out."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.grafana.promtool import promtool
from tests.grafana.test_alerts import metric_names, names_in

FILE = Path(__file__).parents[2] / "ops" / "grafana" / "dashboards" / "session_manager.json"
REQUEST = json.loads(FILE.read_text())
DASHBOARD = REQUEST["dashboard"]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS: list[str] = [target["expr"] for panel in PANELS for target in panel["targets"]]
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*"}


def plain(expression: str) -> str:
    """With what Grafana puts in the place of variables."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def test_the_file_is_what_grafanas_api_takes() -> None:
    assert REQUEST.keys() == {"dashboard", "overwrite"}
    assert "id" not in DASHBOARD  # a new one for Grafana, found again by its uid
    assert (DASHBOARD["uid"], DASHBOARD["title"]) == ("session-manager", "UnifiedSessionManager")


def test_every_expression_is_lawful(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": plain(each)} for number, each in enumerate(EXPRESSIONS)]

    said = promtool(tmp_path, "check", {"groups": [{"name": "panels", "rules": rules}]})

    assert f"{len(EXPRESSIONS)} rules found" in said


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_metrics_that_there_are(panel: dict[str, Any]) -> None:
    references = [target["refId"] for target in panel["targets"]]

    assert len(set(references)) == len(references) > 0
    for target in panel["targets"]:
        assert names_in(plain(target["expr"])) <= metric_names()
        assert '{instance=~"$instance"' in target["expr"]
    assert panel["datasource"]["uid"] == "${datasource}"
    assert panel["fieldConfig"]["defaults"]["unit"]


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {re.sub("_bucket$", "", name) for each in EXPRESSIONS for name in names_in(plain(each))}
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in metric_names()}
    counters = {name for name in ours if f"{name}_total" in ours}

    assert ours - counters - {"session_manager_info"} == shown


def test_no_panel_lies_on_another_and_every_one_has_a_number_of_its_own() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]

    assert len(set(numbers)) == len(numbers)
    for one, other in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
        assert one["x"] + one["w"] <= 24
