"""Events and keys for tests, each with whatever the test does not care about."""

from __future__ import annotations

import hashlib

from shared.events import ClassUpdated, SchoolUpdated
from shared.sealing import HashKeys, SealingKeys


def make_sealing_keys(name: str = "test") -> SealingKeys:
    """Keys that are the same for the same name."""
    return SealingKeys({"k1": hashlib.sha256(name.encode()).digest()})


def make_hash_keys(name: str = "test") -> HashKeys:
    """Keys that are the same for the same name."""
    return HashKeys({"k1": hashlib.sha256(name.encode()).digest()})


def make_class_updated(**overrides: object) -> ClassUpdated:
    """A class as binding tells of it."""
    data = {"revision": 1, "school_id": "school-1", "name": "五年一班", "teacher_ids": ["teacher-1"], "active": True}
    return ClassUpdated.of("binding", overrides.pop("subject", "class-1"), **(data | overrides))


def make_school_updated(**overrides: object) -> SchoolUpdated:
    """A school as binding tells of it."""
    data = {"revision": 1, "code": "990001", "name": "市立內湖國小", "level": "elementary", "active": True}
    return SchoolUpdated.of("binding", overrides.pop("subject", "school-1"), **(data | overrides))
