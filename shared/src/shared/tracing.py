"""Traces by OpenTelemetry, from a click through every event to the mail; off where no collector is named.

``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``) turns them on; the other variables of
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ mean what they mean there, with
OTLP over HTTP as the only protocol.

Rows outlive the task that writes them: where one will be taken up later (the outbox, a message to be sent), it keeps
the writer's ``traceparent`` (https://www.w3.org/TR/trace-context/), and whoever takes it up continues that trace.

What leaves is an allow-list (shared.span_export): no path, query or address of a client, no statement, and no text of
an exception, wherever a library may have put one.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.logs import correlation_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
TRACEPARENT = "traceparent"
STOP_SECONDS = 5

_propagator = TraceContextTextMapPropagator()
_provider: TracerProvider | None = None


def start(service: str) -> None:
    """Export this process's spans, where the environment names a collector."""
    global _provider  # noqa: PLW0603 - OpenTelemetry's provider is the process's, and set once
    if not any(map(os.environ.get, ENDPOINTS)) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    # Only here: a process without traces does without the exporter and its HTTP client in memory.
    from shared.span_export import make_provider  # noqa: PLC0415

    _provider = make_provider(os.environ.get("OTEL_SERVICE_NAME") or f"kinbind-{service}")
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


def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str) -> AbstractContextManager[Span | None]:
    """A span for the time of the block, None where traces are off; attributes are named with ``__`` for each dot."""
    return nullcontext() if _provider is None else _span(name, kind, attributes)


@contextmanager
def _span(name: str, kind: SpanKind, attributes: dict[str, str]) -> Iterator[Span]:
    with trace.get_tracer("kinbind").start_as_current_span(
        name,
        kind=kind,
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
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
