from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.span_export import HarmlessExporter


def test_neither_a_faults_text_nor_an_attribute_of_a_library_leaves() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(HarmlessExporter(kept)))
    tracer = provider.get_tracer("a library")

    def look_up(name: str) -> None:
        attributes = {"url.path": "/bindings/F223456786", "http.route": "/bindings/{id}"}
        with tracer.start_as_current_span("its span", attributes=attributes):
            raise ValueError(name)

    with pytest.raises(ValueError, match="王小明"):
        look_up("王小明")
    (left,) = kept.get_finished_spans()
    assert dict(left.attributes or {}) == {"http.route": "/bindings/{id}"}
    assert not left.events
    assert left.status.description is None
    assert not left.status.is_ok
    assert "王小明" not in left.to_json(indent=None)
