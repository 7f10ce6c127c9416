"""The documents that others build on, made from the code: event schemas, AsyncAPI, OpenAPI, RabbitMQ's definitions.

And parts of docs/events.md, and the alert rules in the form that Kubernetes takes. ``make contracts`` writes them; the
tests beside this hold that they are up to date and that schemas only grow.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from faststream.specification.asyncapi import AsyncAPI

import binding_service.consumers
import notify_service.consumers
import otp_service.consumers
import review_service.consumers
from binding_service.api_document import WAITING, errors_by_code, field_codes
from binding_service.app import make_app
from binding_service.settings import Settings
from contract.broker import definitions
from contract.bus_document import for_readers
from contract.events_text import DOCUMENT as EVENTS_TEXT
from contract.events_text import with_events
from shared.bus import Bus
from shared.events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.events import Event

HERE = Path(__file__).parent
SCHEMAS = HERE / "schemas"
DOCS = HERE.parents[1] / "docs"
DEPLOY = HERE.parents[1] / "deploy"
DEFINITIONS = DEPLOY / "rabbitmq" / "definitions.json"
ALERTS = DEPLOY / "observability" / "alerts.yml"
RULES = DEPLOY / "kubernetes" / "base" / "monitoring" / "rules.yaml"
API_TEXT = DOCS / "api.md"
#: Between these lines of docs/api.md stands what is made here.
MADE = re.compile(r"(<!-- made by make contracts: problems -->\n).*?(<!-- end -->)", re.DOTALL)
BROKER = "amqp://localhost:5672/"

#: How each service attaches itself to a bus; what its handlers work with does not matter to the document.
SUBSCRIBE: dict[str, Callable[[Bus], None]] = {
    "otp": partial(otp_service.consumers.subscribe, otp=cast("Any", None)),
    "binding": partial(binding_service.consumers.subscribe, binding=cast("Any", None)),
    "review": partial(review_service.consumers.subscribe, review=cast("Any", None)),
    "notify": partial(notify_service.consumers.subscribe, notify=cast("Any", None), wake=lambda: None),
}


def event_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON schema (2020-12) of an event as it stands on the bus."""
    return event.model_json_schema(mode="serialization")


def bus_of(service: str) -> Bus:
    """A service's bus with all that it hears, asks, answers and tells; it is connected to nothing."""
    bus = Bus(BROKER, service)
    SUBSCRIBE[service](bus)
    return bus


def asyncapi(service: str) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of a service: what it hears, answers and tells."""
    bus = bus_of(service)
    made = AsyncAPI(bus.broker, title=f"{service} service", version="1.0.0").to_specification().to_jsonable()
    return for_readers(made)


def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the gateway."""
    return make_app(Settings()).openapi()


def with_catalogue(text: str) -> str:
    """docs/api.md with the problems that there are."""
    return MADE.sub(lambda found: found[1] + "".join(f"{line}\n" for line in _catalogue()) + found[2], text)


def _catalogue() -> Iterator[str]:
    yield from ("", "| code | status | what it means |", "| --- | --- | --- |")
    for code, error in sorted(errors_by_code().items()):
        meaning = " ".join((error.__doc__ or "").split()).replace("``", "`")
        yield f"| `{code}` | {error.status}{', `Retry-After`' if issubclass(error, WAITING) else ''} | {meaning} |"
    yield from (
        "",
        "At a field there may be one of these too: " + ", ".join(f"`{code}`" for code in field_codes()) + ".",
    )
    yield ""


def rules() -> str:
    """The alert rules as the Prometheus Operator takes them; their text as it stands, comments too."""
    alerts = textwrap.indent(ALERTS.read_text(encoding="utf-8"), "  ")
    head = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: kinbind}\nspec:\n"
    return f"# Made from deploy/observability/alerts.yml by make contracts.\n{head}{alerts}"


def events_text() -> str:
    """docs/events.md with the events that there are."""
    return with_events(EVENTS_TEXT.read_text(encoding="utf-8"), [asyncapi(service) for service in SUBSCRIBE])


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each document and where it is kept."""
    for event in EVENTS:
        yield SCHEMAS / f"{event.TYPE}.json", event_schema(event)
    for service in SUBSCRIBE:
        yield DOCS / "asyncapi" / f"{service}.json", asyncapi(service)
    yield DOCS / "openapi.json", openapi()
    yield DEFINITIONS, definitions([bus_of(service) for service in SUBSCRIBE])


def as_text(document: dict[str, Any]) -> str:
    """One way to write it, whatever the order in which it was made."""
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def breaks(old: Any, new: Any, place: str = "") -> list[str]:  # noqa: ANN401 - any JSON
    """What ``new`` takes from those who go by ``old``: lost or changed parts, and fields that are required anew."""
    if isinstance(old, dict) and isinstance(new, dict):
        lost = [f"{place}/{key} is gone" for key in old if key not in new]
        kept = [fault for key in old if key in new for fault in breaks(old[key], new[key], f"{place}/{key}")]
        return lost + kept
    if place.endswith("/required"):
        # A field that is required anew refuses events of the old version; one that is not any more surprises readers.
        return [f"{place} was {old}, is {new}"] if set(old) != set(new) else []
    if place.endswith(("/description", "/title", "/summary", "/examples")):
        return []
    return [] if old == new else [f"{place} was {old}, is {new}"]


def main() -> int:
    """Write every document; an event schema that takes something away is not written."""
    for path, document in documents():
        if path.parent == SCHEMAS and path.exists():
            faults = breaks(json.loads(path.read_text(encoding="utf-8")), document)
            if faults:
                print(f"{path.name}: a new version is needed, not a change:\n  " + "\n  ".join(faults), file=sys.stderr)
                return 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_text(document), encoding="utf-8")
    EVENTS_TEXT.write_text(events_text(), encoding="utf-8")
    RULES.write_text(rules(), encoding="utf-8")
    API_TEXT.write_text(with_catalogue(API_TEXT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
