"""The least rights of each service at RabbitMQ, from what it says that it hears, tells, asks and answers.

``make contracts`` writes deploy/rabbitmq/definitions.json: exchanges, queues and bindings of all services, and the
rights of each, as RabbitMQ's definitions have them (https://www.rabbitmq.com/docs/definitions). Users and their
passwords are not in it: deploy/rabbitmq/rights.py brings both to a broker.

What a right is about (https://www.rabbitmq.com/docs/access-control): who publishes writes to the exchange, who consumes
reads the queue, who binds writes the queue and reads the exchange. On a topic exchange the routing key counts too, but
only where topic rights are given: none means all. On the default exchange (amq.default) it never does, so no service
writes there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.bus import DIRECT_EXCHANGE, EVENTS_EXCHANGE, RETRY_DELAYS_SECONDS, event_queue, retry_exchange
from shared.events import HEARD_BY
from shared.requests import reply_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shared.bus import Bus

VHOST = "/"
NOTHING = "^$"
#: What the operator's command needs: it looks at dead letters, and sends them back by the default exchange.
OPERATOR = {"configure": NOTHING, "write": r"^amq\.default$", "read": r"\.dead$"}
#: What scales consumers asks the management API how long queues are, and takes nothing out of them.
AUTOSCALER = {"configure": NOTHING, "write": NOTHING, "read": NOTHING}


def definitions(buses: Sequence[Bus]) -> dict[str, Any]:
    """What the services of these buses need on a broker, and their rights there."""
    topologies = [bus.topology() for bus in buses]
    exchanges = {exchange.name: exchange.type.value for topology in topologies for exchange in topology.exchanges}
    queues = {queue.name: queue.arguments or {} for topology in topologies for queue in topology.queues}
    bindings = sorted({binding for topology in topologies for binding in topology.bindings})
    return {
        "exchanges": [
            _thing(name, type=type_, internal=False, arguments={}) for name, type_ in sorted(exchanges.items())
        ],
        "queues": [_thing(name, arguments=arguments) for name, arguments in sorted(queues.items())],
        "bindings": [
            {"source": source, "vhost": VHOST, "destination": queue, "destination_type": "queue", "routing_key": key}
            | {"arguments": {}}
            for queue, source, key in bindings
        ],
        "permissions": [
            *({"user": bus.service, "vhost": VHOST, **_permissions(bus)} for bus in buses),
            {"user": "operator", "vhost": VHOST, **OPERATOR},
            {"user": "autoscaler", "vhost": VHOST, **AUTOSCALER},
        ],
        "topic_permissions": [
            {"user": bus.service, "vhost": VHOST, "exchange": exchange, **rights}
            for bus in buses
            for exchange, rights in _topic_permissions(bus, buses).items()
        ],
    }


def _thing(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "vhost": VHOST, "durable": True, "auto_delete": False, **more}


def _permissions(bus: Bus) -> dict[str, str]:
    """By the names of exchanges and queues. Nothing is declared but queues for answers, by who asks."""
    consumed = [event_queue(bus.service, event).name for event in bus.consumed]
    retries = [retry_exchange(bus.service, delay).name for delay in RETRY_DELAYS_SECONDS] if consumed else []
    events = [EVENTS_EXCHANGE.name] if bus.published else []
    direct = [DIRECT_EXCHANGE.name] if bus.asked or bus.answered or bus.published else []
    replies = [_replies(bus)] if bus.asked else []
    return {
        "configure": _only([], replies),
        "write": _only([*events, *direct, *retries], replies),
        # Who binds a queue for answers reads the exchange that they come by.
        "read": _only([*consumed, *bus.answered, *([DIRECT_EXCHANGE.name] if bus.asked else [])], replies),
    }


def _topic_permissions(bus: Bus, buses: Sequence[Bus]) -> dict[str, dict[str, str]]:
    """By routing key, for every topic exchange: where nothing is said, everything is allowed."""
    consumed = [event_queue(bus.service, event).name for event in bus.consumed]
    askers = [_replies(other) for other in buses if set(other.asked) & set(bus.answered)]
    return {
        EVENTS_EXCHANGE.name: {"write": _only(event.TYPE for event in bus.published), "read": NOTHING},
        DIRECT_EXCHANGE.name: {
            "write": _only([*bus.asked, *_told_again(bus)], askers),
            "read": _only([], [_replies(bus)] if bus.asked else []),
        },
        **{
            retry_exchange(bus.service, delay).name: {"write": _only(consumed), "read": NOTHING}
            for delay in RETRY_DELAYS_SECONDS
        },
    }


def _told_again(bus: Bus) -> Iterator[str]:
    """The queues into which an operator lets the service tell again what one consumer has lost (shared.operations)."""
    for event in bus.published:
        yield from (event_queue(consumer, event).name for consumer in HEARD_BY[event])


def _replies(bus: Bus) -> str:
    return reply_prefix(bus.service).replace(".", r"\.") + "[0-9a-f]+"


def _only(names: Iterable[str], patterns: Iterable[str] = ()) -> str:
    """The regular expression of these names and patterns alone."""
    parts = [*(name.replace(".", r"\.") for name in names), *patterns]
    return f"^({'|'.join(parts)})$" if parts else NOTHING
