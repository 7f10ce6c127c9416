from __future__ import annotations

from typing import TYPE_CHECKING

from local_stack.processes import wait_until
from shared.span_export import ATTRIBUTES
from support.observed import LOOKS_PERSONAL, STRANGERS_TRACE, personal

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.collector import Seen
    from support.observed import Observed

SENDING = "POST /api/v1/applications"


def await_spans(spans: Callable[[], list[Seen]]) -> list[Seen]:
    """The spans, once there are any: a process hands them over a little later."""
    wait_until(lambda: bool(spans()), within=20, what="spans")
    return spans()


def delivery_of(observed: Observed, kind: str) -> Seen:
    """The span of a message's sending."""

    def found() -> list[Seen]:
        sent = observed.collector.named("sending.deliver")
        return [each for each in sent if each.attributes.get("kinbind.kind") == kind]

    return await_spans(found)[0]


def way_to(observed: Observed, span: Seen) -> list[Seen]:
    """The spans from which this one came, the first cause first, as far as they have been handed over."""
    known = {each.id: each for each in observed.collector.trace(span.trace)}
    way = [span]
    while (cause := known.get(way[0].parent)) is not None:
        way.insert(0, cause)
    return way


def test_one_trace_leads_from_the_parents_click_to_the_mail(observed: Observed) -> None:
    delivery = delivery_of(observed, "application_received")
    click = await_spans(lambda: observed.collector.named(SENDING, "kinbind-binding"))[0]
    assert (delivery.service, delivery.trace) == ("kinbind-notify", click.trace)

    wait_until(lambda: way_to(observed, delivery)[0] == click, within=20, what="the way between")
    assert [span.name for span in way_to(observed, delivery)] == [
        SENDING,
        "applications.submit",
        "kinbind.events.kinbind.binding.application-submitted.v1 create",
        "kinbind.events.kinbind.binding.application-submitted.v1 process",
        "sending.deliver",
    ]


def test_the_same_click_is_seen_at_the_teachers_side(observed: Observed) -> None:
    click = await_spans(lambda: observed.collector.named(SENDING))[0]

    def taken() -> list[Seen]:
        return [
            span for span in observed.collector.named("applications.cases.take_submission") if span.trace == click.trace
        ]

    assert await_spans(taken)[0].service == "kinbind-review"


def test_one_trace_leads_from_the_teachers_click_by_way_of_binding_to_the_mail(observed: Observed) -> None:
    delivery = delivery_of(observed, "account_opened")
    click = await_spans(lambda: observed.collector.named("POST /applications/{id}/approve", "kinbind-review"))[0]
    assert delivery.trace == click.trace

    def processed() -> list[Seen]:
        found = [span for span in observed.collector.trace(click.trace) if span.name.endswith(" process")]
        services = {span.service for span in found}
        return found if services == {"kinbind-binding", "kinbind-review", "kinbind-notify"} else []

    conversation = {span.attributes["messaging.message.conversation_id"] for span in await_spans(processed)}
    assert conversation == {click.attributes["kinbind.correlation_id"]}


def test_a_question_to_otp_and_its_code_belong_to_the_click(observed: Observed) -> None:
    delivery = delivery_of(observed, "code")
    click = await_spans(lambda: observed.collector.named("POST /api/v1/codes"))[0]
    issued = await_spans(lambda: observed.collector.named("issue_code", "kinbind-otp"))[0]
    assert delivery.trace == issued.trace == click.trace


def test_no_span_holds_what_anybody_typed(observed: Observed) -> None:
    delivery_of(observed, "account_opened")
    spans = list(observed.collector.spans)
    ids = {"messaging.message.id", "messaging.message.conversation_id", "kinbind.correlation_id"}
    for span in spans:
        assert set(span.attributes) <= ATTRIBUTES, span
        assert not LOOKS_PERSONAL.search(span.name), span
        for name, value in span.attributes.items():
            assert name in ids or not LOOKS_PERSONAL.search(value), span
        assert not [word for word in personal(observed) if word in span.raw], span


def test_a_strangers_trace_is_not_continued(observed: Observed) -> None:
    await_spans(lambda: observed.collector.named("_OTHER /api/v1/bindings"))
    assert observed.collector.trace(STRANGERS_TRACE) == []
