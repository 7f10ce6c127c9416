"""A collector of traces: takes OTLP over HTTP, as any would, and keeps what came."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Seen:
    """One span, as it came."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    is_error: bool
    raw: str = field(repr=False)


@dataclass
class Collector:
    """What came so far."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Keep the spans of one export."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                attributes = {
                    each.key: each.value.string_value or str(each.value.int_value) for each in span.attributes
                }
                self.spans.append(
                    Seen(
                        service=named["service.name"],
                        name=span.name,
                        trace=span.trace_id.hex(),
                        id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        attributes=attributes,
                        is_error=span.status.code == span.status.STATUS_CODE_ERROR,
                        raw=str(span),
                    )
                )

    def named(self, name: str, service: str | None = None) -> list[Seen]:
        """The spans of this name, of one service or of all."""
        return [span for span in list(self.spans) if span.name == name and service in {None, span.service}]

    def trace(self, trace: str) -> list[Seen]:
        """The spans of a trace."""
        return [span for span in list(self.spans) if span.trace == trace]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of this machine, for the time of the block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
