from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from notify_service import metrics
from notify_service.circuits import OPENS_AFTER, Circuit
from notify_service.limits import Limits
from notify_service.metrics import expect
from notify_service.providers import Message, Provider, Route
from shared.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric
    from prometheus_client.samples import Sample

ALERTS = Path(__file__).resolve().parents[3] / "deploy" / "observability" / "alerts.yml"
NOTIFYS_OWN = (metrics.MESSAGES, metrics.CIRCUIT_OPEN, metrics.UNSURE, metrics.OVER_LIMIT, metrics.RECEIPTS)
SELECTOR = re.compile(r"\b(kinbind_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')


class Probe(Provider):
    """Is only counted."""

    name = "probe"

    async def send(self, message: Message) -> str:
        """Never."""
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _uncounted() -> None:
    """Whatever ran in this process before has counted nothing."""
    for metric in NOTIFYS_OWN:
        metric.clear()


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def samples() -> list[Sample]:
    families: list[Metric] = [family for metric in NOTIFYS_OWN for family in metric.collect()]
    return [sample for family in families for sample in family.samples if not sample.name.endswith("_created")]


def asked_for() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Name and matchers of each series of notify's own metrics in the alerts' expressions."""
    names = {sample.name for sample in samples()}
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        for name, matchers in SELECTOR.findall(rule["expr"]):
            if name in names:
                yield name, MATCHER.findall(matchers)


def is_meant(sample: Sample, name: str, matchers: list[tuple[str, str, str]]) -> bool:
    fits = {"=~": lambda a, b: re.fullmatch(b, a) is not None, "!=": str.__ne__, "=": str.__eq__}
    return sample.name == name and all(fits[how](sample.labels[label], wanted) for label, how, wanted in matchers)


def test_every_series_that_an_alert_asks_for_is_there_from_the_start():
    expect({"sms": [Route(Probe())], "email": [Route(Probe())]}, Limits(countries={"JP": 20}))
    asked = list(asked_for())

    assert {name for name, _ in asked} == {sample.name for sample in samples()}
    for name, matchers in asked:
        meant = [sample for sample in samples() if is_meant(sample, name, matchers)]
        assert meant, (name, matchers)
        assert {sample.value for sample in meant} == {0}
        assert {sample.labels["channel"] for sample in meant if "channel" in sample.labels} in ({"sms", "email"}, set())


def test_what_can_happen_to_a_message_is_there_from_the_start_too():
    expect({"sms": [Route(Probe())], "email": []}, Limits(countries={"JP": 20}))

    assert value("kinbind_messages_total", kind="code", channel="sms", provider="probe", outcome="passed_on") == 0
    assert value("kinbind_messages_total", kind="code", channel="sms", provider="-", outcome="dropped") == 0
    for limit, outcome in (("JP", "dropped"), ("channel", "dropped"), ("channel", "waiting"), ("country", "failed")):
        assert value("kinbind_messages_over_limit_total", channel="sms", limit=limit, outcome=outcome) == 0
    assert value("kinbind_messages_unsure_total", channel="email", why="claim ended") == 0
    assert value("kinbind_receipts_total", provider="twilio", outcome="undelivered") == 0


def test_an_open_circuit_is_seen_until_it_closes():
    circuit = Circuit()
    expect({"sms": [Route(Probe(), circuit)]}, Limits())
    seen = []
    for _ in range(OPENS_AFTER):
        circuit.note(failed=True, seconds=0)
    seen.append(value("kinbind_provider_circuit_open", channel="sms", provider="probe"))
    circuit.note(failed=False, seconds=0)
    seen.append(value("kinbind_provider_circuit_open", channel="sms", provider="probe"))

    assert seen == [1, 0]
