"""Secrets: from files, and none that everybody knows in production."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from binding_service.settings import Settings as Binding
from kinbind_operations.settings import Settings as Operations
from notify_service.settings import Settings as Notify
from otp_service.settings import Settings as Otp
from review_service.settings import Settings as Review
from shared.samples import KEY_NAMES, is_sample, sample_key
from shared.settings import SecretSettings, SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
CLASSES: tuple[type[SecretSettings], ...] = (Otp, Binding, Review, Notify, Operations)
SECRETS = [
    (settings, name)
    for settings in CLASSES
    for name, info in settings.model_fields.items()
    if info.annotation is SecretStr
]
KEY = base64.b64encode(bytes(range(32))).decode()
#: What production insists on, and no secret is.
ADDRESSES = {
    "BINDING_PUBLIC_URL": "https://parents.example",
    "REVIEW_PARENTS_URL": "https://parents.example",
    "NOTIFY_PUBLIC_URL": "https://parents.example",
    "NOTIFY_REVIEW_URL": "https://teachers.example",
}


def variable(settings: type[SecretSettings], name: str) -> str:
    return f"{settings.model_config['env_prefix']}{name}".upper()


def ours(name: str) -> str:
    """A value of the right form that nobody published."""
    if name.endswith("management_url"):
        return "http://kinbind:T7w%2Fq@localhost:15672"
    if name.endswith("_url"):
        return f"{'amqp' if 'rabbitmq' in name else 'postgresql'}://somebody:T7w%2Fq@localhost/kinbind"
    return f"k1:{KEY}" if name.startswith("key_") else "T7w/q"


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which every program would start in production."""
    for name, value in ADDRESSES.items():
        monkeypatch.setenv(name, value)
    for settings, name in SECRETS:
        monkeypatch.setenv(variable(settings, name), ours(name))
    for settings in CLASSES:
        monkeypatch.setenv(variable(settings, "environment"), "production")


by_secret = pytest.mark.parametrize(("settings", "name"), SECRETS, ids=[variable(*secret) for secret in SECRETS])


@by_secret
def test_each_secret_may_stand_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: type[SecretSettings], name: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{ours(name)}\n", encoding="utf-8")
    # Compose passes on what is empty.
    monkeypatch.setenv(variable(settings, name), "")
    monkeypatch.setenv(f"{variable(settings, name)}_FILE", str(file))
    assert getattr(load(settings), name).get_secret_value() == ours(name)


def _file(tmp_path: Path, content: bytes | None) -> Path:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "OTP_KEY_CODES_FILE names a file that cannot be read: No such file or directory"),
        (b"", "OTP_KEY_CODES_FILE names a file that is empty"),
        (b"\n", "OTP_KEY_CODES_FILE names a file that is empty"),
        (b"\xff\xfe", "OTP_KEY_CODES_FILE names a file that is not UTF-8 text"),
    ],
)
def test_a_file_without_a_secret_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, words: str
) -> None:
    monkeypatch.setenv("OTP_KEY_CODES_FILE", str(_file(tmp_path, content)))
    with pytest.raises(SettingsError) as refused:
        load(Otp)
    assert str(refused.value) == words


def test_a_folder_is_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTP_KEY_CODES_FILE", str(tmp_path))
    with pytest.raises(SettingsError, match="OTP_KEY_CODES_FILE names a file that cannot be read: Is a directory"):
        load(Otp)


def test_both_ways_at_once_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTP_KEY_CODES", "one")
    monkeypatch.setenv("OTP_KEY_CODES_FILE", str(_file(tmp_path, b"two")))
    with pytest.raises(SettingsError, match="OTP_KEY_CODES and OTP_KEY_CODES_FILE are both set: one of them must go"):
        load(Otp)


@pytest.mark.parametrize(
    ("url", "password", "whole"),
    [
        ("postgresql://otp@db:5432/kinbind", "a/b c", "postgresql://otp:a%2Fb%20c@db:5432/kinbind"),
        ("postgresql://otp:@db/kinbind", "secret", "postgresql://otp:secret@db/kinbind"),
        ("postgresql://otp:own@db/kinbind", "secret", "postgresql://otp:own@db/kinbind"),
        ("postgresql://otp@db/kinbind", "", "postgresql://otp@db/kinbind"),
    ],
)
def test_a_password_apart_completes_its_address(url: str, password: str, whole: str) -> None:
    settings = Otp(database_url=SecretStr(url), database_password=SecretStr(password))
    assert settings.database_url.get_secret_value() == whole


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("settings", CLASSES, ids=lambda settings: settings.model_config["env_prefix"])
def test_secrets_of_ones_own_start_in_production(settings: type[SecretSettings]) -> None:
    assert load(settings).environment == "production"


def _published(name: str) -> Iterator[str]:
    """Values of the form of this setting that everybody knows."""
    if name.endswith("_url"):
        scheme = "amqp" if "rabbitmq" in name else "postgresql"
        yield f"{scheme}://guest:guest@localhost:5672/"
        yield f"{scheme}://somebody:development@localhost/kinbind"
        yield f"{scheme}://somebody:somebody@localhost/kinbind"
    elif name.startswith("key_"):
        yield f"sample:{KEY}"
        yield f"k1:{KEY},development:{KEY}"
        yield f"k1:{base64.b64encode(sample_key('KEY_OTP_NOTIFY')).decode()}"
        yield f"k1:{_development()['KEY_CODES'].partition(':')[2]}"
    else:
        yield "development"
        yield "guest"


@by_secret
@pytest.mark.usefixtures("production")
def test_no_published_secret_starts_in_production(
    monkeypatch: pytest.MonkeyPatch, settings: type[SecretSettings], name: str
) -> None:
    for value in _published(name):
        monkeypatch.setenv(variable(settings, name), value)
        with pytest.raises(SettingsError) as refused:
            load(settings)
        assert str(refused.value) == (
            f"{variable(settings, name)}: a published sample, which production refuses; set a secret of your own"
        )
        monkeypatch.setenv(variable(settings, "environment"), "development")
        load(settings)
        monkeypatch.setenv(variable(settings, "environment"), "production")


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("settings", CLASSES, ids=lambda settings: settings.model_config["env_prefix"])
def test_what_holds_where_nothing_is_set_does_not_start_in_production(
    monkeypatch: pytest.MonkeyPatch, settings: type[SecretSettings]
) -> None:
    for name in ("database_url", "rabbitmq_url"):
        monkeypatch.delenv(variable(settings, name))
    with pytest.raises(SettingsError) as refused:
        load(settings)
    assert all(variable(settings, name) in str(refused.value) for name in ("database_url", "rabbitmq_url"))


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (Binding, "public_url", "http://parents.example"),
        (Binding, "review_url", "http://teachers.example"),
        (Binding, "allowed_origins", '["https://front.example", "http://front.example"]'),
        (Review, "public_url", "http://teachers.example"),
        (Review, "parents_url", "http://parents.example"),
        (Notify, "public_url", "http://parents.example"),
        (Notify, "review_url", "http://teachers.example"),
    ],
)
def test_pages_are_reached_by_https_alone_in_production(
    monkeypatch: pytest.MonkeyPatch, settings: type[SecretSettings], name: str, value: str
) -> None:
    monkeypatch.setenv(variable(settings, name), value)
    with pytest.raises(SettingsError, match=f"^{variable(settings, name)}: must begin with https:// in production$"):
        load(settings)


def _development() -> dict[str, str]:
    lines = (ROOT / "deploy" / "development.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_every_secret_of_the_sample_file_is_known() -> None:
    known: dict[str, Any] = {name: is_sample(value) for name, value in _development().items() if name != "DEVELOPMENT"}
    assert len(known) > 20
    assert known == dict.fromkeys(known, True)
    # Also where the key is given another id.
    renamed = {name: value.partition(":")[2] for name, value in _development().items() if name.startswith("KEY_")}
    assert [name for name, value in renamed.items() if not is_sample(f"k1:{value}")] == []


def test_every_key_that_the_code_makes_is_known() -> None:
    asked = {
        name
        for path in (ROOT / "services").rglob("src/**/*.py")
        for name in re.findall(r'(?:sealing|hash)_keys\(\s*"([A-Z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert asked == set(KEY_NAMES)
    assert all(is_sample(f"k1:{base64.b64encode(sample_key(name)).decode()}") for name in asked)


def test_what_nobody_published_is_no_sample() -> None:
    for secret in ("", "T7w/q", f"k1:{KEY}", "k1:no base64", "amqp://kinbind:T7w@localhost/", "amqp://localhost/"):
        assert not is_sample(secret)
