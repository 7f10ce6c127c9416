from __future__ import annotations

from array import array

import pytest

from binding_service.roster import fingerprints
from binding_service.roster.fingerprints import Fingerprints
from shared.sealing import HashKeys

HEADER = "sourcedId,name\r\n"
RECORD = "S1,中正國小\r\n"


def make(key: bytes = b"h" * 32, file: str = "orgs.csv", mode: str = "bulk", header: str = HEADER) -> Fingerprints:
    made = Fingerprints(HashKeys({"h1": key}), file, mode, b"")
    made.begin(header)
    return made


def test_the_same_record_has_the_same_fingerprint_and_another_another_one():
    assert make().of(RECORD) == make().of(RECORD)
    assert make().of(RECORD) != make().of(RECORD.replace("1", "2"))
    assert -(2**63) <= make().of(RECORD) < 2**63


@pytest.mark.parametrize(
    "other",
    [{"key": b"i" * 32}, {"file": "classes.csv"}, {"mode": "delta"}, {"header": "name,sourcedId\r\n"}],
    ids=["key", "file", "mode", "header"],
)
def test_it_is_another_one_where_the_record_may_say_something_else(other: dict[str, str]):
    assert make(**other).of(RECORD) != make().of(RECORD)  # type: ignore[arg-type] - one of them


def test_the_keys_id_may_be_long():
    made = Fingerprints(HashKeys({"a-key-of-november-2026-after-the-audit": b"h" * 32}), "orgs.csv", "bulk", b"")
    made.begin(HEADER)
    assert made.of(RECORD) == make().of(RECORD)


def test_a_new_release_reads_everything_anew(monkeypatch: pytest.MonkeyPatch):
    before = make().of(RECORD)
    monkeypatch.setattr(fingerprints, "RELEASE", "another")
    assert make().of(RECORD) != before


def test_it_knows_those_that_it_was_given_and_no_others():
    numbers = sorted(make().of(f"S{n},a") for n in range(50))
    known = Fingerprints(HashKeys({"h1": b"h" * 32}), "orgs.csv", "bulk", array("q", numbers[::2]).tobytes())
    assert [known.know(number) for number in numbers] == [n % 2 == 0 for n in range(50)]
    assert not known.know(2**63 - 1)
    assert len(known) == 25


def test_bytes_that_are_no_utf_8_have_one_too():
    assert isinstance(make().of("S1,\udca4\r\n"), int)
