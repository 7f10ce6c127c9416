"""What services say of their events is whole, and the rights that are made from it leave nothing open."""

from __future__ import annotations

import re

from contract.broker import NOTHING, definitions
from contract.documents import SUBSCRIBE, bus_of
from shared.events import EVENTS, HEARD_BY

BUSES = {service: bus_of(service) for service in SUBSCRIBE}
DEFINITIONS = definitions(list(BUSES.values()))


def test_every_event_is_published_by_the_service_that_its_name_says_and_by_no_other() -> None:
    said = [(event.TYPE, service) for service, bus in BUSES.items() for event in bus.published]
    assert sorted(said) == sorted((event.TYPE, event.TYPE.split(".")[1]) for event in EVENTS)


def test_every_event_is_consumed_by_those_of_whom_it_is_said() -> None:
    for event, consumers in HEARD_BY.items():
        assert {service for service, bus in BUSES.items() if event in bus.consumed} == set(consumers), event.TYPE


def test_what_is_asked_is_answered() -> None:
    asked = {name for bus in BUSES.values() for name in bus.asked}
    assert asked
    assert asked == {name for bus in BUSES.values() for name in bus.answered}


def test_where_a_service_may_write_a_topic_exchange_its_routing_keys_are_said() -> None:
    # RabbitMQ allows every routing key where no topic right is given.
    topics = [exchange["name"] for exchange in DEFINITIONS["exchanges"] if exchange["type"] == "topic"]
    assert len(topics) == len(DEFINITIONS["exchanges"])
    said = {(rights["user"], rights["exchange"]) for rights in DEFINITIONS["topic_permissions"]}
    for rights in DEFINITIONS["permissions"]:
        open_ = [
            name
            for name in topics
            if re.search(rights["write"], name) or re.search(rights["read"], name)
            if (rights["user"], name) not in said
        ]
        assert open_ == [], rights["user"]


def test_a_right_names_everything_from_its_first_letter_to_its_last() -> None:
    for rights in (*DEFINITIONS["permissions"], *DEFINITIONS["topic_permissions"]):
        patterns = [rights[name] for name in ("configure", "write", "read") if name in rights]
        if rights["user"] != "operator":
            assert [each for each in patterns if each != NOTHING and not re.fullmatch(r"\^\(.+\)\$", each)] == []
            assert [each for each in patterns if ".*" in each] == []


def test_no_service_writes_where_routing_keys_do_not_count() -> None:
    for rights in DEFINITIONS["permissions"]:
        writes = bool(re.search(rights["write"], "amq.default"))
        assert writes == (rights["user"] == "operator"), rights["user"]
        assert not any(re.search(rights["write"], f"amq.{kind}") for kind in ("topic", "direct", "fanout", "headers"))
