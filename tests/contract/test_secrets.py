"""deploy/docker-compose.production.yml: every secret is a file that secrets.sh makes, for those alone who need it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import SecretStr

from contract.configuration import SERVICES
from kinbind_operations.settings import Settings as Operations
from shared.settings import SettingsError, load

if TYPE_CHECKING:
    from shared.settings import SecretSettings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROGRAMS: dict[str, type[SecretSettings]] = {**SERVICES, "kinbind": Operations}
#: What an operator fills in.
FILLED = {
    "PUBLIC_URL": "https://parents.example",
    "REVIEW_PUBLIC_URL": "https://teachers.example",
    "SMTP_HOST": "mail.example",
    "SMTP_FROM": "no-reply@parents.example",
    "SMS_URL": "https://sms.example/v1",
}
MOUNTED = "/run/secrets/"


def variables(name: str) -> dict[str, str]:
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def services(name: str, values: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The services of a Compose file with its variables put in, as Compose does it."""

    def put(found: re.Match[str]) -> str:
        variable, colon, act, rest = found.groups()
        value = values.get(variable)
        if act == "-":
            return value if value or (value is not None and not colon) else rest
        assert value if colon else value is not None, f"{variable} is not set"
        return value or ""

    text = re.sub(r"\$\{([A-Z0-9_]+)(:?)([-?])([^}]*)\}", put, (DEPLOY / name).read_text(encoding="utf-8"))
    return dict(yaml.safe_load(text)["services"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Secrets as secrets.sh makes them."""
    folder = tmp_path_factory.mktemp("deployment") / "secrets"
    make(folder)
    return folder


def make(folder: Path) -> None:
    script = DEPLOY / "compose" / "secrets.sh"
    subprocess.run(["/bin/sh", str(script), str(folder)], check=True, capture_output=True)  # noqa: S603 - our own script


def production(service: str) -> dict[str, str]:
    """The environment of a service with both Compose files."""
    values = variables("production.env") | FILLED
    files = ("docker-compose.yml", "docker-compose.production.yml")
    merged: dict[str, str] = {}
    for file in files:
        merged |= services(file, values)[service].get("environment", {})
    return {name: "" if value is None else str(value) for name, value in merged.items()}


def test_a_second_run_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    values = [content for content in before.values() if content]
    assert len(values) == len(set(values)) == 25
    assert folder.stat().st_mode & 0o777 == 0o700


def test_every_secret_of_the_overlay_is_made_and_none_besides(folder: Path) -> None:
    overlay = yaml.safe_load((DEPLOY / "docker-compose.production.yml").read_text(encoding="utf-8"))
    assert set(overlay["secrets"]) == {path.name for path in folder.iterdir()}


def test_a_container_gets_the_secrets_that_it_uses_and_no_others() -> None:
    overlay = services("docker-compose.production.yml", variables("production.env") | FILLED)
    for name, service in overlay.items():
        text = " ".join([*map(str, service.get("environment", {}).values()), *service.get("entrypoint", [])])
        used = set(re.findall(rf"{MOUNTED}(\w+)", text))
        # Named in production.env where there is one.
        optional = {
            "smtp_password",
            "smtp_ca",
            "smtp2_password",
            "smtp2_ca",
            "sms_token",
            "mitake_password",
            "twilio_token",
            "oidc_client_secret",
        }
        assert set(service["secrets"]) - optional == used, name


@pytest.mark.parametrize("service", PROGRAMS)
def test_each_secret_setting_comes_from_a_file(service: str) -> None:
    settings = PROGRAMS[service]
    prefix = str(settings.model_config["env_prefix"])
    given = production(service)
    addresses = {
        "database_url",
        "rabbitmq_url",
        "rabbitmq_management_url",
        *(f"{name}_database_url" for name in SERVICES),
    }
    secrets = {name for name, info in settings.model_fields.items() if info.annotation is SecretStr} - addresses
    assert {name for name in secrets if f"{prefix}{name}_FILE".upper() not in given} == set()
    # Addresses have no password in them, and nothing else is in the environment.
    assert {name: given[name] for name in given if re.search(r":[^/@]+@", given[name])} == {}
    assert {name for name in secrets if given.get(f"{prefix}{name}".upper())} == set()


@pytest.mark.parametrize("service", PROGRAMS)
def test_the_secrets_that_are_made_start_in_production(
    service: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in production(service).items():
        monkeypatch.setenv(name, value.replace(MOUNTED, f"{folder}/"))
    settings = load(PROGRAMS[service])
    assert settings.environment == "production"
    for address, password in (("database_url", ""), ("rabbitmq_url", "rabbitmq_")):
        user = "operator" if service == "kinbind" else service
        made = (folder / f"{user}_{password}password").read_text(encoding="utf-8")
        assert f"{user}:{made}@" in getattr(settings, address).get_secret_value()


@pytest.mark.parametrize("service", PROGRAMS)
def test_the_sample_file_does_not_start_in_production(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = PROGRAMS[service]
    for name, value in services("docker-compose.yml", variables("development.env"))[service]["environment"].items():
        monkeypatch.setenv(name, str(value).replace("http://localhost", "https://localhost"))
    monkeypatch.setenv(f"{settings.model_config['env_prefix']}ENVIRONMENT", "production")
    with pytest.raises(SettingsError, match="a published sample, which production refuses") as refused:
        load(settings)
    assert "development" not in str(refused.value)
    if service == "binding":
        assert "BINDING_KEY_BINDING_STORE" in str(refused.value)


# --- what is no secret ---


def test_any_other_setting_can_be_given_to_those_whose_it_is() -> None:
    values = variables("production.env") | FILLED
    overlay = services("docker-compose.production.yml", values)
    assert variables("settings.env") == {}, "a deployment's own, not ours"
    for name in (*PROGRAMS, *(f"{service}-migrate" for service in SERVICES)):
        assert overlay[name]["env_file"] == ["./settings.env"], name
    own = services("docker-compose.production.yml", values | {"SETTINGS": "/etc/kinbind.env"})
    assert own["notify"]["env_file"] == ["/etc/kinbind.env"]


def test_the_settings_that_are_given_as_examples_are_settings_and_would_be_heard() -> None:
    lines = (DEPLOY / "settings.env").read_text(encoding="utf-8").splitlines()
    examples = dict(line[1:].split("=", 1) for line in lines if re.match(r"#[A-Z0-9_]+=", line))
    known = {
        f"{settings.model_config['env_prefix']}{field}".upper(): (service, info.default)
        for service, settings in PROGRAMS.items()
        for field, info in settings.model_fields.items()
    }
    assert examples
    for name, value in examples.items():
        service, default = known[name]
        assert value == str(default), name
        # Compose passes its own on, whatever stands in a file.
        assert name not in production(service)


@pytest.mark.parametrize("server", ["smtp", "smtp2"])
def test_the_authority_of_a_mail_server_is_one_of_the_files_and_is_named_like_the_others(server: str) -> None:
    ca_file = f"{MOUNTED}{server}_ca"
    values = variables("production.env") | FILLED
    assert values[f"{server}_CA_FILE".upper()] == ""
    overlay = services("docker-compose.production.yml", values | {f"{server}_CA_FILE".upper(): ca_file})
    assert overlay["notify"]["environment"][f"NOTIFY_{server}_CA_FILE".upper()] == ca_file
    assert f"{server}_ca" in overlay["notify"]["secrets"]


def test_what_mails_cost_and_who_sends_sms_can_be_said() -> None:
    given = {"EMAIL_PER_HOUR": "500", "SMS_SENDER": "Kinbind"}
    overlay = services("docker-compose.production.yml", variables("production.env") | FILLED | given)
    environment = overlay["notify"]["environment"]
    assert (environment["NOTIFY_EMAIL_PER_HOUR"], environment["NOTIFY_SMS_SENDER"]) == (500, "Kinbind")


def test_what_is_not_filled_in_is_asked_for() -> None:
    with pytest.raises(AssertionError, match="PUBLIC_URL is not set"):
        services("docker-compose.production.yml", variables("production.env"))
