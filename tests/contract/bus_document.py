"""What an AsyncAPI document must say to who reads events without our code, added to what FastStream makes.

FastStream knows addresses, queues and schemas. Beside these a reader needs what the message is called, of what content
type it is, how it signs in, and an example of each.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contract import samples
from shared.bus import CONTENT_TYPE, EVENTS_EXCHANGE
from shared.events import EVENTS

if TYPE_CHECKING:
    from shared.events import Event

BINDING_VERSION = "0.3.0"
READ_ON = {"url": "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md"}
BY_TYPE = {event.TYPE: event for event in EVENTS}
ABOUT = (
    "Events are CloudEvents 1.0 in JSON, on a durable topic exchange; the routing key is the event's type, with its "
    "version at the end. Delivery is at least once, in no promised order. What is called for_… is sealed for one "
    "service. docs/events.md says how others read them."
)
SIGN_IN = {
    "type": "userPassword",
    "description": "A RabbitMQ user for each service and each outside reader, with rights to its own queues alone.",
}
HEADERS = {
    "type": "object",
    "properties": {"traceparent": {"type": "string", "description": "W3C Trace Context, where tracing is on."}},
}


def for_readers(document: dict[str, Any]) -> dict[str, Any]:
    """The document with all of that; what is not an event (requests and their answers) stays as it is."""
    document["info"] |= {"description": ABOUT, "externalDocs": READ_ON}
    document["components"]["securitySchemes"] = {"user": SIGN_IN}
    for server in document["servers"].values():
        server["security"] = [{"$ref": "#/components/securitySchemes/user"}]
    for name, channel in document["channels"].items():
        event = BY_TYPE.get(channel["address"])
        if event is not None:
            channel["title"] = event.__name__
            channel.setdefault("description", _summary(event))
            for message in channel["messages"].values():
                _describe(document["components"]["messages"][message["$ref"].rpartition("/")[2]], event)
            _confirm(document, f"#/channels/{name}")
    return document


def example(event: type[Event]) -> dict[str, Any]:
    """An event of this kind as it stands on the bus, with nobody's data in it and the same every time."""
    sample = samples.of(event)
    fixed = sample.model_copy(
        update={
            "id": samples.EVENT_ID,
            "time": samples.MOMENT,
            "source": f"/{event.TYPE.split('.')[1]}",
            "correlationid": samples.CORRELATION_ID,
        }
    )
    return dict(json.loads(fixed.model_dump_json()))


def _describe(message: dict[str, Any], event: type[Event]) -> None:
    message.update(
        name=event.TYPE,
        title=event.__name__,
        summary=_summary(event),
        contentType=CONTENT_TYPE,
        headers=HEADERS,
        bindings={"amqp": {"messageType": event.TYPE, "bindingVersion": BINDING_VERSION}},
        examples=[{"name": event.__name__, "payload": example(event)}],
    )


def _confirm(document: dict[str, Any], channel: str) -> None:
    """How an event is sent: persistent, and not without a queue for it."""
    for operation in document["operations"].values():
        if operation["channel"]["$ref"] == channel and operation["action"] == "send":
            operation["bindings"]["amqp"].update(deliveryMode=2, mandatory=True)


def _summary(event: type[Event]) -> str:
    return " ".join((event.__doc__ or "").split())


def published(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The messages that a service publishes on the exchange of events, by their routing key."""
    found = {}
    for channel in document["channels"].values():
        amqp = channel["bindings"]["amqp"]
        if amqp["is"] == "routingKey" and amqp["exchange"]["name"] == EVENTS_EXCHANGE.name:
            [message] = channel["messages"].values()
            found[channel["address"]] = document["components"]["messages"][message["$ref"].rpartition("/")[2]]
    return found
