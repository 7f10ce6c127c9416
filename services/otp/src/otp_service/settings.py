"""The otp service's environment variables, each with the prefix ``OTP_``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from otp_service.domain import Policy
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the otp service needs to know."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="OTP_", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        default=SecretStr("postgresql://otp:otp@localhost:5432/kinbind"), description="PostgreSQL, role otp."
    )
    port: int = Field(default=8001, description="Health checks only.")
    key_codes: SecretStr = Field(default=SecretStr(""), description="Keyed hash of codes and of rate-limited contacts.")
    key_binding_otp: SecretStr = Field(
        default=SecretStr(""), description="Shared with binding: contacts and codes in requests."
    )
    key_otp_notify: SecretStr = Field(
        default=SecretStr(""), description="Shared with notify: contacts and codes to send."
    )

    email_code_minutes: int = Field(default=60, ge=1, description="Life of a code sent by e-mail.")
    sms_code_minutes: int = Field(default=60, ge=1, description="Life of a code sent by SMS.")
    tries_per_code: int = Field(default=5, ge=1, description="Wrong tries that kill a code.")
    resend_seconds: int = Field(default=60, ge=0, description="Wait before a login attempt may ask for another code.")
    contact_per_hour: int = Field(
        default=5,
        ge=1,
        description="Codes for one contact in any hour; as many again for who has shown before that it is theirs.",
    )
    contact_per_day: int = Field(default=10, ge=1, description="The same in any day.")
    address_per_hour: int = Field(
        default=30, ge=1, description="Codes for one client address in any hour; a school may sit behind one."
    )
    address_per_day: int = Field(default=200, ge=1, description="Codes for one client address in any day.")
    sms_countries: list[str] = Field(
        default=["TW"], description="Countries whose mobile numbers get codes, as JSON: SMS costs money."
    )

    def policy(self) -> Policy:
        """The rules of issuing and redeeming, as the domain knows them."""
        return Policy(
            life_minutes={"email": self.email_code_minutes, "sms": self.sms_code_minutes},
            tries_per_code=self.tries_per_code,
            resend_seconds=self.resend_seconds,
            contact_per_hour=self.contact_per_hour,
            contact_per_day=self.contact_per_day,
            address_per_hour=self.address_per_hour,
            address_per_day=self.address_per_day,
        )
