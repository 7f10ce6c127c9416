import json
import re
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import uuid4

import pytest

from shared.not_mine import MOST_CHARACTERS, NotMine, make_token, read_token
from shared.sealing import SealingKeys, UnsealError

KEYS = SealingKeys({"k1": b"1" * 32})
LINK = NotMine(
    kind="application_received", about="application", subject=str(uuid4()), at=datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
)


@pytest.mark.parametrize("length", range(8))
def test_what_was_sealed_is_read_again_and_fits_an_address_as_it_is(length: int):
    link = LINK.model_copy(update={"subject": "T" * length})
    token = make_token(KEYS, link)

    assert read_token(KEYS, token) == link
    assert quote(token) == token
    assert len(token) < MOST_CHARACTERS


def test_nothing_of_it_can_be_read_without_the_key():
    token = make_token(KEYS, LINK)

    assert LINK.subject not in token
    assert token != make_token(KEYS, LINK)


@pytest.mark.parametrize(
    "token",
    ["", "k1.", "k1.AAAA", "k2.AAAA", "碼", "\0", "k1." + "A" * 99, make_token(SealingKeys({"k1": b"2" * 32}), LINK)],
)
def test_what_we_have_not_made_is_refused(token: str):
    with pytest.raises(UnsealError):
        read_token(KEYS, token)


def test_one_that_was_changed_is_refused():
    token = make_token(KEYS, LINK)
    changed = re.sub(r"\.(.)", lambda found: f".{'A' if found[1] != 'A' else 'B'}", token, count=1)

    with pytest.raises(UnsealError):
        read_token(KEYS, changed)


def test_what_is_sealed_with_the_same_key_for_another_place_is_no_link():
    with pytest.raises(UnsealError):
        read_token(KEYS, KEYS.seal_model(LINK, f"{uuid4()}:for_notify"))


def test_a_link_says_ids_and_times_only():
    assert set(json.loads(LINK.model_dump_json())) == {"kind", "about", "subject", "at"}
