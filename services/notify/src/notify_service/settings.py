"""The notify service's environment variables, each with the prefix ``NOTIFY_``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, SettingsError, https_in_production


class Settings(ServiceSettings):
    """What the notify service needs to know."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="NOTIFY_", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        default=SecretStr("postgresql://notify:notify@localhost:5432/kinbind"), description="PostgreSQL, role notify."
    )
    port: int = Field(default=8004, description="Health checks and, in development, the mailbox.")
    key_otp_notify: SecretStr = Field(default=SecretStr(""), description="Shared with otp: contacts and codes to send.")
    key_binding_notify: SecretStr = Field(
        default=SecretStr(""), description="Shared with binding: who is told what about which child."
    )
    key_review_notify: SecretStr = Field(
        default=SecretStr(""), description="Shared with review: which teacher is told what waits."
    )
    key_store: SecretStr = Field(default=SecretStr(""), description="Seals messages while they wait to be sent.")
    public_url: str = Field(
        default="http://localhost:8002",
        pattern=r"^https?://[^\s?#]+$",
        description="Address of the parents' pages, as notices give it.",
    )
    review_url: str = Field(
        default="http://localhost:8003",
        pattern=r"^https?://[^\s?#]+$",
        description="Address of the teachers' pages, as notices to a school's staff give it.",
    )
    concurrency: int = Field(default=8, ge=1, description="Messages being sent at once by one process.")

    retain_messages_days: int = Field(
        default=400,
        ge=90,
        description="Days for which the fate of a message is kept; for so long the same notice is not sent twice.",
    )
    retain_mailbox_days: int = Field(default=30, ge=1, description="Days for which the development mailbox keeps mail.")

    smtp_host: str = Field(
        default="", description="Mail server. Empty: mail goes to the development mailbox; refused in production."
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="587 for STARTTLS, 465 for TLS, 25 for none.")
    smtp_user: str = Field(default="", description="Empty: no sign-in.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="Password of smtp_user.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="starttls insists on it; none is for a relay on the same host."
    )
    smtp_from: str = Field(
        default="no-reply@localhost", pattern=r"^[^@\s]+@[^@\s]+$", description="Address that mail comes from."
    )

    sms_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Where an SMS is posted. Empty: to the development mailbox; refused in production.",
    )
    sms_token: SecretStr = Field(default=SecretStr(""), description="Bearer token of the SMS provider.")
    sms_sender: str = Field(default="", description="Sender's name or number. Empty: the provider's default.")

    _https = field_validator("public_url", "review_url")(https_in_production)

    def check_channels(self) -> None:
        """Raises SettingsError where production would leave messages in the development mailbox."""
        unset = [
            name
            for name, value in (("NOTIFY_SMTP_HOST", self.smtp_host), ("NOTIFY_SMS_URL", self.sms_url))
            if not value
        ]
        if unset and self.environment == "production":
            msg = f"{' and '.join(unset)} must be set in production: there is no mailbox page to fall back to"
            raise SettingsError(msg)
