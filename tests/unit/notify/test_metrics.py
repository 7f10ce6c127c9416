from notify_service.circuits import OPENS_AFTER, Circuit
from notify_service.limits import Limits
from notify_service.metrics import expect
from notify_service.providers import Message, Provider, Route
from shared.metrics import REGISTRY


class Probe(Provider):
    """Is only counted."""

    name = "probe"

    async def send(self, message: Message) -> str:
        """Never."""
        raise NotImplementedError


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_every_series_that_an_alert_asks_for_is_there_from_the_start():
    expect({"sms": [Route(Probe())], "email": []}, Limits(countries={"JP": 20}))

    assert value("kinbind_messages_total", kind="code", channel="sms", provider="probe", outcome="passed_on") == 0
    assert value("kinbind_messages_total", kind="code", channel="sms", provider="-", outcome="dropped") is not None
    assert value("kinbind_messages_over_limit_total", channel="sms", limit="JP") is not None
    assert value("kinbind_messages_unsure_total", channel="email", why="claim ended") is not None
    assert value("kinbind_receipts_total", provider="twilio", outcome="undelivered") is not None


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
