from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from support.observed import FOLDER, SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.observed import Observed

#: Metrics of RabbitMQ's plugin, as deps/rabbitmq_prometheus/metrics.md and metrics-detailed.md of rabbitmq-server name
#: them; compared with what 3.10.8 and 4.0.5 export.
RABBITMQ = {
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_detailed_queue_consumers",
    "rabbitmq_detailed_queue_messages",
    "rabbitmq_detailed_queue_messages_ready",
    "rabbitmq_detailed_queue_messages_unacked",
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_disk_space_available_limit_bytes",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_resident_memory_limit_bytes",
}
#: Prometheus' own.
PROMETHEUS = {"up"}
NAME = re.compile(r"\b(?:kinbind|rabbitmq|process|python)_[a-z0-9_]+|\bup\b")
PAIR = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")
SELECTOR = re.compile(r"\b(kinbind_[a-z0-9_]+)\{([^}]*)\}")


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of rules and dashboards, with where it stands."""
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for file in sorted((FOLDER / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{file.name}: {panel['title']}", target["expr"]


@pytest.fixture(scope="module")
def samples(observed: Observed) -> dict[str, list[dict[str, Any]]]:
    """The labels of each sample that the services export, by its name; Prometheus adds the job."""
    found: dict[str, list[dict[str, Any]]] = {}
    for service in SERVICES:
        for family in text_string_to_metric_families(observed.metrics_text(service)):
            # A family without samples yet has its name all the same.
            found.setdefault(family.name + ("_total" if family.type == "counter" else ""), [])
            for sample in family.samples:
                found.setdefault(sample.name, []).append({"job": service, **sample.labels})
    return found


def test_every_metric_that_rules_and_dashboards_name_exists(samples: dict[str, list[dict[str, Any]]]) -> None:
    named = [(place, name) for place, text in expressions() for name in NAME.findall(re.sub(r"\"[^\"]*\"", "", text))]
    assert len({name for _, name in named}) > 30
    assert [each for each in named if each[1] not in samples.keys() | RABBITMQ | PROMETHEUS] == []


def test_every_label_and_use_case_that_they_select_by_exists(samples: dict[str, list[dict[str, Any]]]) -> None:
    wrong = []
    for place, text in expressions():
        for name, selector in SELECTOR.findall(text):
            for label, how, value in PAIR.findall(selector):
                known = {str(sample[label]) for sample in samples[name] if label in sample}
                known |= set(SERVICES) if label == "job" else set()
                # Refusals and limits need not have happened; that a use case or job is called so must hold.
                matches = bool(known) if label in {"status", "outcome"} or how != "=" else value in known
                if not matches:
                    wrong.append((place, name, label, value))
    assert wrong == []
