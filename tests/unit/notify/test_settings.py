import base64

import pytest

from notify_service.app import make_app
from notify_service.settings import Settings
from shared.settings import SettingsError, load
from support.production import SERVERS

PRODUCTION = {
    "environment": "production",
    "public_url": "https://parents.example",
    "review_url": "https://teachers.example",
    **SERVERS,
}


def make_settings(**overrides: object) -> Settings:
    """Settings of a development machine with no channel set up, but for what is given."""
    return Settings.model_validate(overrides)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"sms_url": "https://sms.example/v1"}, "NOTIFY_SMTP_HOST"),
        ({"smtp_host": "mail.example"}, "NOTIFY_SMS_URL"),
        ({}, "NOTIFY_SMTP_HOST and NOTIFY_SMS_URL"),
    ],
)
def test_production_does_not_start_without_its_channels(given: dict[str, str], missing: str):
    with pytest.raises(SettingsError, match=missing):
        make_app(make_settings(**PRODUCTION, **given))


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("key_otp_notify", "KEY_OTP_NOTIFY"),
        ("key_binding_notify", "KEY_BINDING_NOTIFY"),
        ("key_review_notify", "KEY_REVIEW_NOTIFY"),
        ("key_store", "NOTIFY_KEY_STORE"),
    ],
)
def test_production_does_not_start_without_each_of_its_keys(missing: str, named: str):
    key = f"k1:{base64.b64encode(bytes(32)).decode()}"
    names = ("key_otp_notify", "key_binding_notify", "key_review_notify", "key_store")
    keys = dict.fromkeys(names, key) | {missing: ""}
    channels = {"smtp_host": "mail.example", "sms_url": "https://sms.example/v1"}

    with pytest.raises(SettingsError, match=named):
        make_app(make_settings(**PRODUCTION, **channels, **keys))


def test_the_mailbox_page_is_there_while_a_channel_is_not_set_up():
    paths = {getattr(route, "path", "") for route in make_app(make_settings(smtp_host="mail.example")).routes}

    assert "/mailbox" in paths


def test_no_mailbox_page_where_both_channels_are_set_up():
    app = make_app(make_settings(smtp_host="mail.example", sms_url="https://sms.example/v1"))

    assert {getattr(route, "path", "") for route in app.routes} == {"/health/live", "/health/ready"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFY_PUBLIC_URL", "javascript:x"),
        ("NOTIFY_REVIEW_URL", "javascript:x"),
        ("NOTIFY_SMTP_FROM", "nobody"),
        ("NOTIFY_SMS_URL", "x"),
    ],
)
def test_a_bad_variable_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name) as caught:
        load(Settings)
    assert f"'{value}'" not in str(caught.value)


def test_every_setting_is_documented_and_has_a_default():
    assert all(field.description and not field.is_required() for field in Settings.model_fields.values())
