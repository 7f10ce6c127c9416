"""Settings that every service has, read from the environment.

A service subclasses :class:`ServiceSettings` with its own ``env_prefix``, so ``OTP_DATABASE_URL`` reaches the otp
service only. Secrets are ``SecretStr``: they never show in a log or a traceback. Each may come from a file instead,
named by the variable with ``_FILE`` behind it, as the public images of databases have it (Docker's and Kubernetes'
secrets are files).
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from shared.samples import is_sample, sample_key
from shared.sealing import HashKeys, SealingKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from pydantic.fields import FieldInfo

#: Where only this machine reaches a service, and published sample keys do no harm.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

S = TypeVar("S", bound="ServiceSettings")
AnySettings = TypeVar("AnySettings", bound=BaseSettings)


class SettingsError(Exception):
    """The environment does not describe a service that can start. The message is one sentence for the operator."""


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets from the files that variables with ``_FILE`` behind their name lead to; a line's end there is dropped."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        """The secret of one field, where a file was named. Raises SettingsError."""
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(f"{variable}_FILE", "") if field.annotation is SecretStr else ""
        if path and os.environ.get(variable):
            msg = f"{variable} and {variable}_FILE are both set: one of them must go"
            raise SettingsError(msg)
        return _read(f"{variable}_FILE", Path(path)) if path else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All of them."""
        found = {name: self.get_field_value(info, name)[0] for name, info in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _read(variable: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as fault:
        msg = f"{variable} names a file that cannot be read: {fault.strerror}"
        raise SettingsError(msg) from None
    except UnicodeDecodeError:
        msg = f"{variable} names a file that is not UTF-8 text"
        raise SettingsError(msg) from None
    if not text:
        msg = f"{variable} names a file that is empty"
        raise SettingsError(msg)
    return text


class SecretSettings(BaseSettings):
    """Settings some of which are secrets: they may come from files, and production takes no published sample."""

    #: The setting with the password for an address that has none in it.
    passwords: ClassVar[dict[str, str]] = {"database_url": "database_password", "rabbitmq_url": "rabbitmq_password"}

    environment: Literal["development", "production"] = Field(
        default="development",
        description="In production a missing key and any published sample of a key or password stop the program; in"
        " development a sample key stands in for a missing one.",
    )
    database_password: SecretStr = Field(
        default=SecretStr(""), description="The role's password, where the address of the database has none in it."
    )
    rabbitmq_password: SecretStr = Field(
        default=SecretStr(""), description="The user's password, where the address of RabbitMQ has none in it."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code, then files, then the environment."""
        return init_settings, SecretFiles(settings_cls), env_settings, dotenv_settings, file_secret_settings

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Put passwords into their addresses; refuse samples in production."""
        for address, password in self.passwords.items():
            given = getattr(self, address).get_secret_value()
            whole = _with_password(given, getattr(self, password).get_secret_value())
            if whole != given:
                setattr(self, address, SecretStr(whole))
        samples = list(self._samples()) if self.environment == "production" else []
        if samples:
            msg = f"{', '.join(samples)}: a published sample, which production refuses; set a secret of your own"
            raise ValueError(msg)
        return self

    def _samples(self) -> Iterator[str]:
        """The variables that hold what everybody knows."""
        prefix = self.model_config.get("env_prefix", "")
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr) and is_sample(value.get_secret_value()):
                yield f"{prefix}{name}".upper()


def _with_password(url: str, password: str) -> str:
    address = urlsplit(url)
    if not password or not address.username or address.password:
        return url
    login, _, place = address.netloc.rpartition("@")
    return urlunsplit(address._replace(netloc=f"{login.removesuffix(':')}:{quote(password, safe='')}@{place}"))


def https_in_production(url: str, info: ValidationInfo) -> str:
    """A validator of addresses that people open: their cookies, and the codes in their mails, travel by HTTPS only."""
    if url and info.data.get("environment") == "production" and not url.startswith("https://"):
        msg = "must begin with https:// in production"
        raise ValueError(msg)
    return url


class ServiceSettings(SecretSettings):
    """What every service needs to know before it starts."""

    database_url: SecretStr = Field(description="PostgreSQL: postgresql://role:password@host:port/database")
    database_pool_size: int = Field(default=8, ge=1, description="Connections held open. 8 carried more than 16 or 32.")
    rabbitmq_url: SecretStr = Field(
        default=SecretStr("amqp://guest:guest@localhost:5672/"),
        description="RabbitMQ: amqp://user:password@host:port/vhost",
    )
    rabbitmq_declares: bool = Field(
        default=True,
        description="Whether the service makes its queues itself. false: deploy/rabbitmq/rights.py has, and the user"
        " has no right to.",
    )
    host: str = Field(default="127.0.0.1", description="Address that the HTTP server listens on.")
    port: int = Field(ge=0, le=65535, description="Port that the HTTP server listens on.")
    metrics_host: str = Field(default="127.0.0.1", description="Address that the metrics are served on.")
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the metrics, which the public must not reach. 0: none."
    )
    trusted_proxies: str = Field(
        default="127.0.0.1", description="Addresses, with commas, whose X-Forwarded-For and -Proto are believed."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe line that is logged."
    )
    drain_seconds: float = Field(
        default=0,
        ge=0,
        description="Time after SIGTERM in which it still serves and says that it is not ready, so that proxies leave.",
    )
    shutdown_seconds: float = Field(
        default=20, gt=0, description="Time that requests and messages under way get to finish after SIGTERM."
    )
    prefetch: int = Field(default=20, ge=1, description="Unacknowledged messages a consumer holds at most.")

    def sealing_keys(self, name: str, secret: SecretStr) -> SealingKeys:
        """Keys of the setting ``name``: ``id:base64[,id:base64…]``, 32 bytes each, the first one seals.

        Raises SettingsError for a malformed value, and in production for a missing one and a published sample.
        """
        return SealingKeys(self._parse_keys(name, secret))

    def hash_keys(self, name: str, secret: SecretStr) -> HashKeys:
        """Like :meth:`sealing_keys`, for keyed hashes."""
        return HashKeys(self._parse_keys(name, secret))

    def _parse_keys(self, name: str, secret: SecretStr) -> dict[str, bytes]:
        text = secret.get_secret_value()
        if not text:
            if self.environment == "production" or self.host not in LOOPBACK:
                msg = f"{name} must be set, in production and where others reach {self.host}: id:base64 of 32 bytes"
                raise SettingsError(msg)
            return {"sample": sample_key(name)}
        try:
            pairs = [part.split(":", 1) for part in text.split(",")]
            keys = {key_id.strip(): base64.b64decode(value, validate=True) for key_id, value in pairs}
        except ValueError:
            keys = {}
        if not keys or any(len(key) != 32 for key in keys.values()):  # noqa: PLR2004 - AES-256
            msg = f"{name} must be id:base64[,id:base64…] with 32 bytes a key"
            raise SettingsError(msg)
        return keys


def load(settings: type[AnySettings]) -> AnySettings:
    """The settings from the environment. Raises SettingsError that names each bad variable but never its value."""
    try:
        return settings()
    except ValidationError as error:
        prefix = settings.model_config.get("env_prefix", "")
        raise SettingsError("; ".join(_sentence(prefix, item) for item in error.errors(include_input=False))) from None


def _sentence(prefix: str, item: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    words = str(item["msg"]).removeprefix("Value error, ")
    # What concerns several names them itself.
    return f"{prefix}{'_'.join(map(str, item['loc']))}".upper() + f": {words}" if item["loc"] else words
