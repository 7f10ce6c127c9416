from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.prometheus import program

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "observability"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
GRID_COLUMNS = 24
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


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_every_panel_asks_the_prometheus_that_is_chosen_and_none_lies_on_another(file: Path) -> None:
    board = json.loads(file.read_text(encoding="utf-8"))
    assert board["uid"] == f"kinbind-{file.stem}"
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}, panel["title"]
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < GRID_COLUMNS, panel["title"]
        taken |= cells


def test_metrics_are_fetched_where_the_services_serve_them_and_nowhere_published() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    fetched = {job["dns_sd_configs"][0]["names"][0]: job["dns_sd_configs"][0]["port"] for job in jobs}
    assert fetched == {"otp": 9100, "binding": 9100, "review": 9100, "notify": 9100, "rabbitmq": 15692}
    for name, port in fetched.items():
        assert services[name]["expose"] == [str(port)]
        assert not any(published.endswith(f":{port}") for published in services[name].get("ports", ()))
        if name != "rabbitmq":
            assert services[name]["environment"][f"{name.upper()}_METRICS_PORT"] == port


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own checker, on the PATH or out of Debian's package."""
    return program("promtool")


@pytest.mark.parametrize(
    "arguments",
    [["check", "config", "prometheus.yml"], ["test", "rules", str(Path(__file__).with_name("alerts_test.yml"))]],
    ids=["syntax", "behaviour"],
)
def test_prometheus_accepts_the_rules_and_they_fire_when_they_should(promtool: str, arguments: list[str]) -> None:
    done = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_understands_what_the_dashboards_ask(promtool: str, tmp_path: Path) -> None:
    boards = [json.loads(file.read_text(encoding="utf-8")) for file in DASHBOARDS]
    asked = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    rules = [{"record": f"asked:{number}", "expr": expression} for number, expression in enumerate(asked)]
    file = tmp_path / "asked.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout
