"""The environment variables of the operator's command, each with the prefix ``KINBIND_``."""

from __future__ import annotations

import getpass
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import SecretSettings

SERVICES = ("otp", "binding", "review", "notify")


def user() -> str:
    """Whoever the system says that we are; in a container it may not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


class Settings(SecretSettings):
    """Where everything is, and who the operator is there."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="KINBIND_", hide_input_in_errors=True)
    passwords: ClassVar[dict[str, str]] = {
        **SecretSettings.passwords,
        **{f"{service}_database_url": "database_password" for service in SERVICES},
        "rabbitmq_management_url": "rabbitmq_password",
    }

    database_url: SecretStr = Field(
        default=SecretStr("postgresql://operator:operator@localhost:5432/kinbind"),
        description="PostgreSQL, role operator: postgresql://role:password@host:port/database.",
    )
    otp_database_url: SecretStr = Field(default=SecretStr(""), description="The same, where otp has a database apart.")
    binding_database_url: SecretStr = Field(
        default=SecretStr(""), description="The same, where binding has a database apart."
    )
    review_database_url: SecretStr = Field(
        default=SecretStr(""), description="The same, where review has a database apart."
    )
    notify_database_url: SecretStr = Field(
        default=SecretStr(""), description="The same, where notify has a database apart."
    )
    rabbitmq_url: SecretStr = Field(
        default=SecretStr("amqp://guest:guest@localhost:5672/"),
        description=(
            "RabbitMQ, the operator's user: amqp://user:password@host:port/vhost. It reads queues that end in .dead and"
            " writes to the default exchange (amq.default), nothing else."
        ),
    )
    rabbitmq_management_url: SecretStr = Field(
        default=SecretStr(""),
        description=(
            "RabbitMQ's management API, http://user:password@host:port, of a user with the tag monitoring. Empty:"
            " status says nothing of messages under way and of queues that nobody knows."
        ),
    )
    otp_url: str = Field(default="http://localhost:8001", description="Where otp answers /health/ready.")
    binding_url: str = Field(default="http://localhost:8002", description="Where binding answers /health/ready.")
    review_url: str = Field(default="http://localhost:8003", description="Where review answers /health/ready.")
    notify_url: str = Field(default="http://localhost:8004", description="Where notify answers /health/ready.")
    operator: str = Field(
        default_factory=user, max_length=100, description="Who is noted with what is done. Not set: the system's user."
    )
    outbox_seconds: int = Field(
        default=60, ge=1, description="An event that has waited longer in an outbox is wrong, for status."
    )
    queue_length: int = Field(default=1000, ge=1, description="A queue that is longer is wrong, for status.")

    def database_of(self, service: str) -> str:
        """The address of the database in which the schema of ``service`` is."""
        own: SecretStr = getattr(self, f"{service}_database_url")
        return own.get_secret_value() or self.database_url.get_secret_value()

    def health_of(self, service: str) -> str:
        """The address of the service's readiness."""
        return f"{getattr(self, f'{service}_url').rstrip('/')}/health/ready"
