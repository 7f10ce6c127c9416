"""Traces by OpenTelemetry, from a click through every event to the mail; off where no collector is named.

``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``) turns them on; the other variables of
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ mean what they mean there, with
OTLP over HTTP as the only protocol.

Rows outlive the task that writes them: where one will be taken up later (the outbox, a message to be sent), it keeps
the writer's ``traceparent`` (https://www.w3.org/TR/trace-context/), and whoever takes it up continues that trace.

What leaves is an allow-list: of attributes those in :data:`ATTRIBUTES`, and no text of an exception, wherever a library
may have put one. Paths, queries and addresses of clients are in none of them.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.logs import correlation_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
TRACEPARENT = "traceparent"
STOP_SECONDS = 5
#: What a span may say of itself: names, numbers and ids of ours.
ATTRIBUTES = frozenset(
    {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "messaging.system",
        "messaging.operation",
        "messaging.destination.name",
        "messaging.destination_publish.name",
        "messaging.message.id",
        "messaging.message.conversation_id",
        "messaging.message.payload_size_bytes",
        "messaging.rabbitmq.destination.routing_key",
        "kinbind.correlation_id",
        "kinbind.outcome",
        "kinbind.kind",
        "kinbind.channel",
        "kinbind.provider",
    }
)

_propagator = TraceContextTextMapPropagator()
_provider: TracerProvider | None = None


def start(service: str) -> None:
    """Export this process's spans, where the environment names a collector."""
    global _provider  # noqa: PLW0603 - OpenTelemetry's provider is the process's, and set once
    if not any(map(os.environ.get, ENDPOINTS)) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    # Only here: the exporter and its HTTP client are 15 MB of memory that a process without traces does without.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult  # noqa: PLC0415

    class Exporter(SpanExporter):
        """Hands over what may leave."""

        def __init__(self) -> None:
            self._exporter = OTLPSpanExporter()

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return self._exporter.export([harmless(span) for span in spans])

        def shutdown(self) -> None:
            self._exporter.shutdown()  # type: ignore[no-untyped-call] # its own lacks an annotation

    name = os.environ.get("OTEL_SERVICE_NAME") or f"kinbind-{service}"
    _provider = TracerProvider(resource=Resource.create({"service.name": name}))
    _provider.add_span_processor(BatchSpanProcessor(Exporter()))
    trace.set_tracer_provider(_provider)


def stop() -> None:
    """Hand over what was not yet; a collector that is away does not hold up the stop for long."""
    if _provider is not None:
        handing_over = threading.Thread(target=_provider.shutdown, daemon=True)
        handing_over.start()
        handing_over.join(STOP_SECONDS)


def is_on() -> bool:
    """Whether this process's spans go anywhere."""
    return _provider is not None


def harmless(span: ReadableSpan) -> ReadableSpan:
    """The span with the attributes that may leave, and without texts: a fault's text may quote data."""
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - see start

    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={name: value for name, value in (span.attributes or {}).items() if name in ATTRIBUTES},
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, *, parent: str | None = None, **attributes: str | int
) -> AbstractContextManager[Span | None]:
    """A span for the time of the block, None where traces are off.

    It belongs to what runs around it or, where there is one, to ``parent``: a ``traceparent`` that was kept. The
    attributes are named with ``__`` for each dot.
    """
    return nullcontext() if _provider is None else _span(name, kind, parent, attributes)


@contextmanager
def _span(name: str, kind: SpanKind, parent: str | None, attributes: dict[str, str | int]) -> Iterator[Span]:
    with trace.get_tracer("kinbind").start_as_current_span(
        name,
        _propagator.extract({TRACEPARENT: parent}, Context()) if parent else None,
        kind,
        {key.replace("__", "."): value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception:
            current.set_status(StatusCode.ERROR)
            raise


@contextmanager
def request_span(method: str, route: str) -> Iterator[Callable[[int], None]]:
    """The span of an HTTP request; yields a function that takes the answer's status.

    It begins a trace: a ``traceparent`` that a stranger sends is not ours to continue.
    """
    with span(
        f"{method} {route}",
        SpanKind.SERVER,
        http__request__method=method,
        http__route=route,
        kinbind__correlation_id=correlation_id(),
    ) as current:

        def note_status(status: int) -> None:
            if current is not None:
                current.set_attribute("http.response.status_code", status)
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    current.set_status(StatusCode.ERROR)

        yield note_status


@contextmanager
def continued(parent: str | None) -> Iterator[None]:
    """Let spans of the block belong to the trace of ``parent``, a ``traceparent`` that was kept."""
    if _provider is None or parent is None:
        yield
        return
    token = attach(_propagator.extract({TRACEPARENT: parent}, Context()))
    try:
        yield
    finally:
        detach(token)


def describe(**what: str) -> None:
    """Say more of the span that runs; ``outcome`` becomes ``kinbind.outcome``."""
    current = trace.get_current_span()
    for name, value in what.items():
        current.set_attribute(f"kinbind.{name}", value)


def traceparent() -> str | None:
    """What a row keeps so that its trace can be continued; None outside of one."""
    if _provider is None:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(TRACEPARENT)


def headers() -> dict[str, str]:
    """What a message carries on that way; empty outside of a trace."""
    known = traceparent()
    return {TRACEPARENT: known} if known else {}
