from __future__ import annotations

import base64

import pytest
from pydantic import SecretStr

from otp_service.settings import Settings
from shared.sealing import UnsealError
from shared.settings import SettingsError, load
from support.production import SERVERS

KEY = base64.b64encode(b"k" * 32).decode()


def make_settings(**overrides: str) -> Settings:
    return Settings.model_validate(overrides)


def test_two_services_agree_on_a_sample_key_and_on_no_other() -> None:
    settings = make_settings()
    sealed = settings.sealing_keys("KEY_ONE", SecretStr("")).seal("text", "place")
    assert settings.sealing_keys("KEY_ONE", SecretStr("")).unseal(sealed, "place") == "text"
    with pytest.raises(UnsealError):
        settings.sealing_keys("KEY_TWO", SecretStr("")).unseal(sealed, "place")


@pytest.mark.parametrize("overrides", [{"environment": "production", **SERVERS}, {"host": "::"}, {"host": "10.0.0.7"}])
def test_where_others_reach_a_service_there_is_no_sample_key(overrides: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="KEY_ONE must be set"):
        make_settings(**overrides).sealing_keys("KEY_ONE", SecretStr(""))
    make_settings(**overrides).sealing_keys("KEY_ONE", SecretStr(f"k1:{KEY}"))


@pytest.mark.parametrize("wrong", [KEY, "k1:short", f"k1:{KEY},k2", "k1:" + base64.b64encode(b"k" * 16).decode(), ":"])
def test_a_malformed_key_is_named_and_not_shown(wrong: str) -> None:
    with pytest.raises(SettingsError, match="KEY_ONE must be id:base64") as refused:
        make_settings().sealing_keys("KEY_ONE", SecretStr(wrong))
    assert wrong not in str(refused.value) or wrong == ":"


def test_a_wrong_variable_is_named_and_its_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTP_PORT", "the secret")
    with pytest.raises(SettingsError, match="OTP_PORT") as refused:
        load(Settings)
    assert "the secret" not in str(refused.value)
