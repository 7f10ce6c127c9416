from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from local_stack.processes import wait_until
from support.observed import SERVICES, personal

if TYPE_CHECKING:
    from support.observed import Observed


@pytest.mark.parametrize("service", SERVICES)
def test_no_metric_holds_what_anybody_typed_or_any_id(observed: Observed, service: str) -> None:
    text = observed.metrics_text(service)
    labels = [line for line in text.splitlines() if "{" in line and not line.startswith("#")]
    assert labels
    assert {word for word in personal(observed) if any(word in line for line in labels)} == set()
    assert "nowhere" not in text


def test_requests_are_counted_by_the_routes_pattern(observed: Observed) -> None:
    binding = {"method": "POST", "route": "/api/v1/applications", "status": "201"}
    assert observed.value("binding", "kinbind_http_requests_total", **binding) == 1
    assert observed.value("binding", "kinbind_http_request_duration_seconds_count", route="/api/v1/applications") == 1
    approval = "/applications/{id}/approve"
    assert observed.value("review", "kinbind_http_requests_total", method="POST", route=approval, status="303") == 1
    assert observed.value("binding", "kinbind_http_requests_total", route="-") == 1
    assert observed.value("binding", "kinbind_http_requests_total", method="_OTHER") == 1


def test_health_is_no_traffic(observed: Observed) -> None:
    assert "/health" not in observed.metrics_text("binding")


def test_use_cases_are_counted_by_outcome(observed: Observed) -> None:
    cases = "kinbind_use_cases_total"
    assert observed.value("binding", cases, use_case="applications.submit", outcome="ok") == 1
    assert observed.value("binding", cases, use_case="logins.redeem", outcome="code_rejected") == 1
    assert observed.value("review", cases, use_case="applications.decisions.decide", outcome="ok") == 1
    assert observed.value("binding", "kinbind_use_case_duration_seconds_count", use_case="applications.submit") == 1


def test_codes_and_mails_are_counted_by_what_became_of_them(observed: Observed) -> None:
    assert observed.value("otp", "kinbind_codes_asked_total", channel="email", outcome="issued") == 1
    assert observed.value("otp", "kinbind_codes_tried_total", outcome="right") == 1
    assert observed.value("otp", "kinbind_codes_tried_total", outcome="wrong") == 1
    sent = {"channel": "email", "provider": "mailbox", "outcome": "sent"}
    for kind in ("code", "application_received", "account_opened"):
        assert observed.value("notify", "kinbind_messages_total", kind=kind, **sent) == 1, kind


def test_the_outbox_is_empty_once_everything_is_told(observed: Observed) -> None:
    for service in ("otp", "binding", "review"):
        assert observed.value(service, "kinbind_database_answers") == 1
        wait_until(lambda at=service: not observed.value(at, "kinbind_outbox_events"), within=20, what="the outbox")
        assert observed.value(service, "kinbind_outbox_oldest_age_seconds") == 0
    assert observed.value("binding", "kinbind_outbox_events_relayed_total") >= 3


def test_how_long_a_decision_took_is_measured(observed: Observed) -> None:
    assert observed.value("review", "kinbind_review_decision_wait_seconds_count", outcome="approve") == 1
    assert observed.value("review", "kinbind_review_waiting") == 0


def test_what_the_bus_brought_is_measured(observed: Observed) -> None:
    handler = "kinbind.events.kinbind.binding.submitted.v1"
    processed = "kinbind_bus_received_processed_messages_total"
    assert observed.value("review", processed, handler=handler, status="acked") == 1


def test_the_public_port_has_no_metrics(observed: Observed) -> None:
    for service in SERVICES:
        assert httpx.get(f"{getattr(observed.stack, service)}/metrics").status_code == 404
