from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from local_stack.processes import Child, free_port, wait_until
from local_stack.servers import StackError
from support.observed import FOLDER
from support.prometheus import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.observed import Observed


@pytest.fixture(scope="module")
def prometheus(observed: Observed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A Prometheus that fetches from the services every second and evaluates our rules; its API."""
    server = program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_port()}"
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for name, port in observed.ports.items()
    ]
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FOLDER / "alerts.yml")],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    child = Child("prometheus", _command(server, folder, address), folder / "log", environment=os.environ)
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1") as api:

            def fetches() -> bool:
                with suppress(httpx.TransportError):
                    is_ready = httpx.get(f"http://{address}/-/ready").is_success
                    return is_ready and len(ask(api, "up == 1")) == len(jobs)
                return False

            wait_until(fetches, within=30, what="Prometheus' first fetches", children=[child])
            yield api
    finally:
        child.stop(20)


def _command(server: str, folder: Path, address: str) -> list[str]:
    return [
        server,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]


def ask(api: httpx.Client, expression: str) -> list[dict[str, Any]]:
    """The answer to a query; fails with Prometheus' words."""
    answer = api.get("/query", params={"query": expression}).json()
    assert answer.get("status") == "success", (expression, answer)
    return list(answer["data"]["result"])


def test_every_rule_can_be_evaluated_and_none_fires_while_all_is_well(prometheus: httpx.Client) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = prometheus.get("/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), within=30, what="the rules' evaluation")
    assert [rule["lastError"] for rule in rules() if rule["health"] != "ok"] == []

    def stirred() -> set[str]:
        return {rule["name"] for rule in rules() if rule["state"] != "inactive"}

    # No RabbitMQ is fetched from here, and before the first fetch every service is missing.
    wait_until(lambda: stirred() <= {"BrokerMissing"}, within=30, what="rest")


#: There is nothing to show of faults and of streams after one quiet binding, nor of mails while none is sent.
MAY_BE_EMPTY = {
    "bus: Events refused",
    "bus: Tried again, redelivered, given up",
    "overview: Faults of ours",
    "overview: Answers that are no success, by status",
    "parents: Mails and SMS, by kind",
    "parents: Progress pages that were open",
    "teachers: What teachers are told is wrong",
}


def test_every_panel_of_the_services_shows_something(prometheus: httpx.Client) -> None:
    panels = {
        f"{file.stem}: {panel['title']}": [target["expr"] for target in panel["targets"]]
        for file in sorted((FOLDER / "dashboards").glob("*.json"))
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]
    }
    ours = {title: asked for title, asked in panels.items() if "rabbitmq_" not in str(asked)}

    def empty() -> set[str]:
        return {title for title, asked in ours.items() if not any(ask(prometheus, each) for each in asked)}

    # A rate needs two fetches.
    with suppress(StackError):
        wait_until(lambda: empty() <= MAY_BE_EMPTY, within=30, what="panels")
    assert empty() - MAY_BE_EMPTY == set()
