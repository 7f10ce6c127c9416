from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack import packages
from local_stack.servers import StackError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "observability"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]
PARTS = ("**What it means.**", "**How to see it.**", "**What to do.**", "**Over when**")


def section(alert: str) -> str:
    """What the runbook says under an alert's heading."""
    found = re.search(rf"^### {alert}\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert found, f"docs/runbook.md has no section {alert}"
    return found[1]


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_every_alert_leads_to_its_section_of_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    places = [section(rule["alert"]).find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)


def test_the_runbook_tells_of_no_alert_that_is_gone() -> None:
    assert re.findall(r"^### (.+)$", RUNBOOK, re.MULTILINE) == NAMES


def test_the_runbooks_links_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= {name.lower() for name in NAMES}


def test_every_metric_of_a_dashboard_comes_from_the_chosen_prometheus() -> None:
    for file in sorted((FOLDER / "dashboards").glob("*.json")):
        board = json.loads(file.read_text(encoding="utf-8"))
        assert board["uid"] == f"kinbind-{file.stem}"
        for panel in board["panels"]:
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}, panel["title"]


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own checker, on the PATH or out of Debian's package."""
    known = shutil.which("promtool") or str(ROOT / ".run" / "prometheus" / "usr" / "bin" / "promtool")
    if not Path(known).exists():
        (ROOT / ".run").mkdir(exist_ok=True)
        try:
            packages.unpack(ROOT / ".run" / "prometheus", "prometheus")
        except (StackError, OSError) as fault:
            pytest.skip(f"promtool cannot be had here: {fault}")
    return known


@pytest.mark.parametrize(
    "arguments",
    [["check", "config", "prometheus.yml"], ["test", "rules", str(Path(__file__).with_name("alerts_test.yml"))]],
    ids=["syntax", "behaviour"],
)
def test_prometheus_accepts_the_rules_and_they_fire_when_they_should(promtool: str, arguments: list[str]) -> None:
    done = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    assert done.returncode == 0, done.stdout + done.stderr
