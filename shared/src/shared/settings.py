"""Settings that every service has, read from the environment.

A service subclasses :class:`ServiceSettings` with its own ``env_prefix``, so ``OTP_DATABASE_URL`` reaches the otp
service only. Secrets are ``SecretStr``: they never show in a log or a traceback.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings

from shared.sealing import HashKeys, SealingKeys

#: Where only this machine reaches a service, and published sample keys do no harm.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

S = TypeVar("S", bound="ServiceSettings")
AnySettings = TypeVar("AnySettings", bound=BaseSettings)


class SettingsError(Exception):
    """The environment does not describe a service that can start. The message is one sentence for the operator."""


class ServiceSettings(BaseSettings):
    """What every service needs to know before it starts."""

    environment: Literal["development", "production"] = Field(
        default="development",
        description="In production a missing key stops the service; in development a sample key stands in for it.",
    )
    database_url: SecretStr = Field(description="PostgreSQL: postgresql://role:password@host:port/database")
    database_pool_size: int = Field(default=8, ge=1, description="Connections held open. 8 carried more than 16 or 32.")
    rabbitmq_url: SecretStr = Field(
        default=SecretStr("amqp://guest:guest@localhost:5672/"),
        description="RabbitMQ: amqp://user:password@host:port/vhost",
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

        Raises SettingsError for a malformed value, and for a missing one in production.
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
            # The sample key depends on the name alone, so two services that share a key agree on it.
            return {"sample": hashlib.sha256(f"kinbind sample key {name}".encode()).digest()}
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
        bad = [
            f"{prefix}{'_'.join(map(str, item['loc']))}".upper() + f": {item['msg']}"
            for item in error.errors(include_input=False)
        ]
        raise SettingsError("; ".join(bad)) from None
