from __future__ import annotations

import pytest
from pydantic import BaseModel

from shared.sealing import HashKeys, SealingKeys, UnsealError

OLD, NEW = b"o" * 32, b"n" * 32
PLACE = "students:1:national_id"


class Secret(BaseModel):
    """Something to seal."""

    text: str


class Other(BaseModel):
    """Something of another shape."""

    number: int


def test_what_was_sealed_opens_in_its_place() -> None:
    keys = SealingKeys({"old": OLD})
    sealed = keys.seal("王小明", PLACE)
    assert "王小明" not in sealed
    assert keys.unseal(sealed, PLACE) == "王小明"


def test_moved_to_another_place_it_does_not_open() -> None:
    keys = SealingKeys({"old": OLD})
    with pytest.raises(UnsealError):
        keys.unseal(keys.seal("secret", PLACE), "students:2:national_id")


def test_the_same_text_is_never_sealed_alike() -> None:
    keys = SealingKeys({"old": OLD})
    assert keys.seal("secret", PLACE) != keys.seal("secret", PLACE)


def test_after_a_rotation_the_new_key_seals_and_both_open() -> None:
    before, between = SealingKeys({"old": OLD}), SealingKeys({"new": NEW, "old": OLD})
    assert between.unseal(before.seal("secret", PLACE), PLACE) == "secret"
    sealed = between.seal("secret", PLACE)
    assert sealed.startswith("new.")
    assert SealingKeys({"new": NEW}).unseal(sealed, PLACE) == "secret"
    with pytest.raises(UnsealError):
        before.unseal(sealed, PLACE)


@pytest.mark.parametrize(
    "spoil", [lambda s: s[:-6] + "AAAAA=", lambda s: "k9" + s[3:], lambda _: "", lambda _: "old.?"]
)
def test_what_was_changed_on_the_way_does_not_open(spoil) -> None:  # noqa: ANN001 - any change
    keys = SealingKeys({"old": OLD})
    with pytest.raises(UnsealError):
        keys.unseal(spoil(keys.seal("a secret of some length", PLACE)), PLACE)


def test_a_model_of_another_kind_does_not_open() -> None:
    keys = SealingKeys({"old": OLD})
    sealed = keys.seal_model(Secret(text="secret"), PLACE)
    assert keys.unseal_model(Secret, sealed, PLACE) == Secret(text="secret")
    with pytest.raises(UnsealError):
        keys.unseal_model(Other, sealed, PLACE)


def test_a_hash_tells_parts_apart_and_a_look_up_tries_every_key() -> None:
    keys = HashKeys({"new": NEW, "old": OLD})
    assert keys.digest("ab", "c") != keys.digest("a", "bc")
    assert keys.digests("x") == [keys.digest("x"), HashKeys({"old": OLD}).digest("x")]
