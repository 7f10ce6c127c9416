"""What a service counts and measures, in Prometheus' form (https://prometheus.io/docs/practices/naming/).

The instruments are in a registry of our own: what a library would put into the global one of prometheus_client is not
ours to vouch for. A label is a name out of our code (a route's pattern, an error's code, a queue), never something that
somebody sent: so no label holds personal data, and their number has a bound.

How long queues are, only RabbitMQ knows: its own plugin (rabbitmq_prometheus) says it, as
``rabbitmq_detailed_queue_messages``, and nothing here asks for it again.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

# When each series began is a third more of them, and nothing here asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call] # its own lacks an annotation
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

#: Seconds. A page is good under a quarter of a second, and given up by people after ten.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

HTTP_REQUESTS = Counter(
    "kinbind_http_requests",
    "Requests answered, by the route's pattern; '-' where no route has the address.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "kinbind_http_request_duration_seconds",
    "From a request to the end of its answer; streams are not in it.",
    ("method", "route"),
    buckets=SECONDS,
    registry=REGISTRY,
)
HTTP_STREAMS = Counter(
    "kinbind_http_streams", "Streams that were opened and have ended.", ("route",), registry=REGISTRY
)
USE_CASES = Counter(
    "kinbind_use_cases",
    "Use cases that ended, by outcome: ok, or the code of the error.",
    ("use_case", "outcome"),
    registry=REGISTRY,
)
USE_CASE_SECONDS = Histogram(
    "kinbind_use_case_duration_seconds", "How long a use case took.", ("use_case",), buckets=SECONDS, registry=REGISTRY
)
MESSAGES_REDELIVERED = Counter(
    "kinbind_messages_redelivered",
    "Messages that RabbitMQ delivered again: a process died with them, or could not send them back.",
    ("queue",),
    registry=REGISTRY,
)
MESSAGES_RETRIED = Counter(
    "kinbind_messages_retried",
    "Messages sent back to be tried again: for a database that was away, or for another fault.",
    ("queue", "why"),
    registry=REGISTRY,
)
MESSAGES_DEAD_LETTERED = Counter(
    "kinbind_messages_dead_lettered",
    "Messages given up: unreadable, or failed too often.",
    ("queue", "why"),
    registry=REGISTRY,
)
EVENTS_RELAYED = Counter(
    "kinbind_outbox_events_relayed", "Events that the broker has confirmed.", ("type",), registry=REGISTRY
)
EVENTS_REFUSED = Counter(
    "kinbind_outbox_events_refused", "Tries to relay that the broker refused.", ("type",), registry=REGISTRY
)

#: Methods that a route may have; a stranger's own word for one is no label.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def expect_queue(queue: str) -> None:
    """Count from 0: Prometheus sees no increase in a series that begins with its first fault."""
    MESSAGES_REDELIVERED.labels(queue)
    for why in ("database", "fault"):
        MESSAGES_RETRIED.labels(queue, why)
    for why in ("unreadable", "failed"):
        MESSAGES_DEAD_LETTERED.labels(queue, why)


def known_method(method: str) -> str:
    """The method, or ``_OTHER``, as OpenTelemetry calls what is none."""
    return method if method in METHODS else "_OTHER"


def count_request(method: str, route: str, status: int, seconds: float, *, is_stream: bool) -> None:
    """One answered request; ``seconds`` of a stream say how long somebody watched, so they are no measure of ours."""
    HTTP_REQUESTS.labels(method, route, status).inc()
    if is_stream:
        HTTP_STREAMS.labels(route).inc()
    else:
        HTTP_SECONDS.labels(method, route).observe(seconds)
