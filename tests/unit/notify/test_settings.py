import base64
from pathlib import Path

import pytest

from notify_service.app import make_app, make_routes
from notify_service.settings import Settings
from shared.database import Database
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

    assert {getattr(route, "path", "") for route in app.routes} == {
        "/health/live",
        "/health/ready",
        "/receipts/mitake/{try_id:uuid}",
        "/receipts/twilio/{try_id:uuid}",
    }


def providers(settings: Settings) -> dict[str, list[str]]:
    """Their names, by channel."""
    routes = make_routes(settings, Database("postgresql://nowhere.invalid/"))
    return {channel: [route.provider.name for route in of_channel] for channel, of_channel in routes.items()}


def test_what_was_set_up_for_one_provider_each_goes_on_as_it_was():
    settings = make_settings(smtp_host="mail.example", sms_url="https://sms.example/v1")
    assert providers(settings) == {"email": ["smtp"], "sms": ["sms-http"]}
    assert providers(make_settings()) == {"email": ["mailbox"], "sms": ["mailbox"]}


SET_UP = {
    "smtp_host": "mail.example",
    "smtp2_host": "other.example",
    "sms_url": "https://sms.example/v1",
    "mitake_user": "kinbind",
    "mitake_password": "x",
    "twilio_account": "AC0",
    "twilio_token": "x",
    "twilio_from": "MG0",
}


def test_providers_are_in_the_order_that_was_named():
    named = {"email_providers": "smtp2,smtp", "sms_providers": "mitake,twilio,sms-http,mitake"}
    assert providers(make_settings(**SET_UP, **named)) == {
        "email": ["smtp2", "smtp"],
        "sms": ["mitake", "twilio", "sms-http"],
    }


def test_the_second_mail_server_has_settings_of_its_own():
    settings = make_settings(**SET_UP, smtp2_port=465, smtp2_tls="tls", smtp2_user="u", smtp2_password="p")
    server = settings.mail_server("smtp2")
    assert (server.host, server.port, server.tls, server.user) == ("other.example", 465, "tls", "u")
    assert server.password == "p"
    assert "password" not in repr(server)


@pytest.mark.parametrize(
    ("variable", "name", "unset", "missing"),
    [
        ("email_providers", "smtp2", "smtp2_host", "NOTIFY_SMTP2_HOST"),
        ("sms_providers", "mitake", "mitake_password", "NOTIFY_MITAKE_PASSWORD"),
        ("sms_providers", "twilio", "twilio_from", "NOTIFY_TWILIO_FROM"),
        ("sms_providers", "sms-http", "sms_url", "NOTIFY_SMS_URL"),
    ],
)
def test_a_provider_that_is_named_must_be_set_up(variable: str, name: str, unset: str, missing: str):
    settings = make_settings(**{**SET_UP, variable: name, unset: ""})

    with pytest.raises(SettingsError, match=f"names {name}, for which {missing} must be set"):
        make_app(settings)


def test_a_file_of_authorities_that_is_none_is_told_at_the_start(tmp_path: Path):
    settings = make_settings(smtp_host="mail.example", smtp_ca_file=str(tmp_path / "none.pem"))

    with pytest.raises(SettingsError, match="NOTIFY_SMTP_CA_FILE"):
        make_app(settings)


def test_limits_are_read_by_country_and_channel():
    limits = make_settings(sms_countries="TW,JP:20", sms_per_hour=100, email_paused=True).limits()

    assert (limits.countries, limits.per_hour, limits.off) == ({"TW": None, "JP": 20}, {"sms": 100}, {"email"})
    assert [limits.admits(country) for country in ("TW", "JP", "US", "")] == [True, True, False, True]
    assert make_settings().limits().admits("US")


def test_receipts_are_asked_for_where_they_can_arrive():
    assert (
        make_settings(public_url="https://parents.example/").receipts_url("x") == "https://parents.example/receipts/x"
    )
    assert make_settings().receipts_url("x") == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFY_PUBLIC_URL", "javascript:x"),
        ("NOTIFY_REVIEW_URL", "javascript:x"),
        ("NOTIFY_SMTP_FROM", "nobody"),
        ("NOTIFY_SMS_URL", "x"),
        ("NOTIFY_EMAIL_PROVIDERS", "smtp3"),
        ("NOTIFY_SMS_PROVIDERS", "mitake;twilio"),
        ("NOTIFY_SMS_COUNTRIES", "tw"),
        ("NOTIFY_SMS_COUNTRIES", "JP:0"),
    ],
)
def test_a_bad_variable_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name) as caught:
        load(Settings)
    assert f"'{value}'" not in str(caught.value)


def test_every_setting_is_documented_and_has_a_default():
    assert all(field.description and not field.is_required() for field in Settings.model_fields.values())
