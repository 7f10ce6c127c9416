from __future__ import annotations

import pytest

from binding_service.roster import tokens
from shared import named_tokens
from shared.settings import SettingsError

ONE, TWO = tokens.new_token(), tokens.new_token()


def test_each_name_may_have_several_tokens_and_each_token_its_name():
    known = tokens.parse(f" city:{named_tokens.hash_of(ONE)}, city:{named_tokens.hash_of(TWO).upper()} ,")
    assert [named_tokens.name_of(token, known) for token in (ONE, TWO, "", ONE[:-1])] == ["city", "city", None, None]


def test_no_token_is_the_same_twice_and_the_hash_is_not_the_token():
    assert ONE != TWO
    assert ONE not in named_tokens.hash_of(ONE)


@pytest.mark.parametrize("text", ["city", "city:abc", f":{'0' * 64}", f"a b:{'0' * 64}", f"city:{'g' * 64}"])
def test_a_setting_that_is_none_is_told_without_quoting_it(text: str):
    with pytest.raises(SettingsError) as caught:
        tokens.parse(text)
    assert "name:hash" in str(caught.value)
    assert text not in str(caught.value)
