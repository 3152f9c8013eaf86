"""Every alert fires for what it is meant for and rests otherwise, and leads to a page that says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from supervisor.metrics import Metrics
from tests.grafana.alerts import CASES, Series
from tests.grafana.promtool import promtool

ROOT = Path(__file__).parents[2]
FILE = ROOT / "ops" / "grafana" / "alerts" / "session_manager.yml"
RUNBOOKS = ROOT / "ops" / "docs" / "runbooks"
RESOURCE = yaml.safe_load(FILE.read_text())
ALERTS = {rule["alert"]: rule for group in RESOURCE["spec"]["groups"] for rule in group["rules"]}
NOT_OURS = {"up"}


def names_in(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    without_labels = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)", "", expression)
    words = set(re.findall(r"[a-z][a-z0-9_]*_[a-z0-9_]+|mailbox_depth", without_labels))
    return words - {"histogram_quantile", "clamp_min"}


def metric_names() -> set[str]:
    """Every name that the process exposes."""
    return {sample for family in Metrics(sandbox=False).registry.collect() for sample in _names(family)}


def _names(family: Any) -> set[str]:
    plain = {family.name, f"{family.name}_total"} if family.type == "counter" else {family.name}
    parts = (
        {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
        if family.type == "histogram"
        else set()
    )
    return plain | parts


def test_the_resource_is_what_the_prometheus_operator_takes() -> None:
    assert (RESOURCE["apiVersion"], RESOURCE["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert re.fullmatch(r"[a-z0-9-]+", RESOURCE["metadata"]["name"])
    assert list(RESOURCE["spec"]) == ["groups"]


def test_the_rules_are_lawful_and_come_out_of_the_resource_as_its_head_says(tmp_path: Path) -> None:
    command = re.search(r"sed '[^']+'", FILE.read_text())
    assert command is not None
    said = subprocess.run(f"{command[0]} {FILE}", shell=True, capture_output=True, text=True, check=True)  # noqa: S602 - the line that people copy

    assert yaml.safe_load(said.stdout) == RESOURCE["spec"]
    assert f"{len(ALERTS)} rules found" in promtool(tmp_path, "check", RESOURCE["spec"])


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_asks_for_metrics_that_there_are(name: str) -> None:
    asked = names_in(ALERTS[name]["expr"])

    assert asked
    assert asked <= metric_names()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_severity_a_sentence_and_a_page_that_says_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    page = (ROOT / rule["annotations"]["runbook_url"]).read_text()

    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"].endswith(".")
    assert re.findall(r"^#+ (.*)$", page, re.MULTILINE) == [
        name,
        "Meaning",
        "Impact",
        "Diagnosis",
        "Mitigation",
    ]
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (RUNBOOKS / link).exists(), link
    for document in re.findall(r"`(ops/docs/[\w./]+)`", page):
        assert (ROOT / document).exists(), document


def test_no_page_and_no_case_is_left_over() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == ALERTS.keys() == CASES.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_for_what_it_is_meant_for_and_rests_otherwise(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(RESOURCE["spec"]))
    tests = [_world(name, case.fires, case.minutes, fires=True), _world(name, case.rests, case.minutes)]

    promtool(tmp_path, "test", {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests})


def _world(name: str, series: Series, minutes: int, *, fires: bool = False) -> dict[str, Any]:
    rule = ALERTS[name]
    labels = {"severity": rule["labels"]["severity"], **_kept_labels(rule["expr"], series)}
    told = {key: _filled(text, labels) for key, text in rule["annotations"].items()}
    return {
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": f"{minutes}m",
                "alertname": name,
                "exp_alerts": [{"exp_labels": labels, "exp_annotations": told}] if fires else [],
            }
        ],
    }


def _kept_labels(expression: str, series: Series) -> dict[str, str]:
    """The label by which an expression tells its alerts apart, as the first series has it."""
    kept = re.search(r"by \((\w+)\) \((?!rate)", expression)
    if kept is None or kept[1] == "le":
        return {}
    value = re.search(rf'{kept[1]}="([^"]+)"', next(iter(series)))
    return {} if value is None else {kept[1]: value[1]}


def _filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda gap: labels[gap[1]], text)
