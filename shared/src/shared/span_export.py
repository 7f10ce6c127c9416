"""The way out of spans, OTLP over HTTP, and what may take it; imported by shared.tracing where traces are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def make_provider(service: str) -> TracerProvider:
    """Makes spans of the service, and exports them as the environment says."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(HarmlessExporter(OTLPSpanExporter())))
    return provider


class HarmlessExporter(SpanExporter):
    """Hands over what may leave."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans as :func:`harmless` leaves them."""
        return self._exporter.export([harmless(span) for span in spans])

    def shutdown(self) -> None:
        """Let an export under way finish."""
        self._exporter.shutdown()


def harmless(span: ReadableSpan) -> ReadableSpan:
    """The span with the attributes that may leave, and without texts: a fault's text may quote data."""
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
