"""The notify service's environment variables, each with the prefix ``NOTIFY_``."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from notify_service.limits import Limits
from shared.events import Channel
from shared.settings import ServiceSettings, SettingsError, https_in_production

Encryption = Literal["starttls", "tls", "none"]

#: What each provider cannot do without.
NEEDED = {
    "smtp": ("smtp_host",),
    "smtp2": ("smtp2_host",),
    "sms-http": ("sms_url",),
    "mitake": ("mitake_user", "mitake_password"),
    "twilio": ("twilio_account", "twilio_token", "twilio_from"),
}


def _in_order(*names: str) -> str:
    """A pattern of these names in any order, with commas between them."""
    one = "|".join(names)
    return f"^(({one})(,({one}))*)?$"


@dataclass(frozen=True, slots=True)
class MailServer:
    """How one mail server is reached. ``password`` shows in no repr."""

    name: str
    host: str
    port: int
    user: str
    tls: Encryption
    ca_file: str
    sender: str
    connections: int
    password: str = field(repr=False)

    def tls_context(self) -> ssl.SSLContext | None:
        """Whose certificates are believed; None without TLS. Raises SettingsError."""
        if self.tls == "none":
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as fault:
            msg = f"NOTIFY_{self.name.upper()}_CA_FILE names no file of certificates: {type(fault).__name__}"
            raise SettingsError(msg) from None


class Settings(ServiceSettings):
    """What the notify service needs to know."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="NOTIFY_", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        default=SecretStr("postgresql://notify:notify@localhost:5432/kinbind"), description="PostgreSQL, role notify."
    )
    port: int = Field(default=8004, description="Health checks, the operators' page and, in development, the mailbox.")
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
    retain_failed_days: int = Field(
        default=7,
        ge=0,
        description="Days for which the sealed contents of a failed message stay, to be sent again; of a code never.",
    )
    retain_contacts_days: int = Field(
        default=30, ge=1, description="Days for which the masked address or number of a settled message stays."
    )
    retain_mailbox_days: int = Field(default=30, ge=1, description="Days for which the development mailbox keeps mail.")

    email_providers: str = Field(
        default="",
        pattern=_in_order("smtp", "smtp2"),
        description="Mail servers in the order in which they are asked, with commas: smtp and smtp2, those of"
        " NOTIFY_SMTP_… and NOTIFY_SMTP2_…. Empty: smtp where NOTIFY_SMTP_HOST is set, else the development mailbox.",
    )
    sms_providers: str = Field(
        default="",
        pattern=_in_order("mitake", "twilio", "sms-http"),
        description="SMS providers in the order in which they are asked, with commas: mitake, twilio, and sms-http,"
        " which is that of NOTIFY_SMS_URL. Empty: sms-http where NOTIFY_SMS_URL is set, else the development mailbox.",
    )

    smtp_host: str = Field(
        default="", description="Mail server. Empty: mail goes to the development mailbox; refused in production."
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="587 for STARTTLS, 465 for TLS, 25 for none.")
    smtp_user: str = Field(default="", description="Empty: no sign-in.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="Password of smtp_user.")
    smtp_tls: Encryption = Field(
        default="starttls", description="starttls insists on it; none is for a relay on the same host."
    )
    smtp_ca_file: str = Field(
        default="",
        description="PEM file of the one authority whose certificates the mail server may have. Empty: the system's, or"
        " those of SSL_CERT_FILE.",
    )
    smtp_from: str = Field(
        default="no-reply@localhost",
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="Address that mail comes from, by whichever server.",
    )
    smtp_connections: int = Field(
        default=8, ge=1, description="Connections of one process to one mail server at once; they are used again."
    )
    smtp2_host: str = Field(default="", description="Second mail server, asked where the first one fails or is slow.")
    smtp2_port: int = Field(default=587, ge=1, le=65535, description="As smtp_port.")
    smtp2_user: str = Field(default="", description="As smtp_user.")
    smtp2_password: SecretStr = Field(default=SecretStr(""), description="Password of smtp2_user.")
    smtp2_tls: Encryption = Field(default="starttls", description="As smtp_tls.")
    smtp2_ca_file: str = Field(default="", description="As smtp_ca_file.")

    sms_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Where an SMS is posted. Empty: to the development mailbox; refused in production.",
    )
    sms_token: SecretStr = Field(default=SecretStr(""), description="Bearer token of the SMS provider.")
    sms_sender: str = Field(default="", description="Sender's name or number. Empty: the provider's default.")
    mitake_url: str = Field(
        default="https://smsapi.mitake.com.tw/api/mtk",
        pattern=r"^https?://[^\s?#]+$",
        description="Mitake's address of your account, without SmSend; some have https://smsb2c.mitake.com.tw/b2c/mtk.",
    )
    mitake_user: str = Field(default="", description="Mitake's user name.")
    mitake_password: SecretStr = Field(default=SecretStr(""), description="Its password.")
    twilio_url: str = Field(
        default="https://api.twilio.com", pattern=r"^https?://[^\s?#]+$", description="Twilio's address."
    )
    twilio_account: str = Field(default="", pattern=r"^(AC\w+)?$", description="Twilio's Account SID.")
    twilio_token: SecretStr = Field(
        default=SecretStr(""), description="Its Auth Token, which also proves that receipts are Twilio's."
    )
    twilio_from: str = Field(default="", description="Sender's number or name, or a Messaging Service SID (MG…).")

    email_per_hour: int = Field(
        default=0,
        ge=0,
        description="E-mails in one hour of the clock, of all processes; the last tenth for codes. 0: no limit.",
    )
    sms_per_hour: int = Field(default=0, ge=0, description="The same for SMS.")
    sms_countries: str = Field(
        default="",
        pattern=r"^([A-Z]{2}(:[1-9]\d*)?(,[A-Z]{2}(:[1-9]\d*)?)*)?$",
        description="Countries that SMS go to, with commas, each with its own limit an hour if it has one: TW,JP:20."
        " Empty: wherever otp lets codes go (OTP_SMS_COUNTRIES).",
    )
    email_paused: bool = Field(
        default=False, description="true: no e-mail is sent. While it runs: kinbind notices pause email."
    )
    sms_paused: bool = Field(default=False, description="The same for SMS.")

    operator_tokens: str = Field(
        default="",
        description="Who may enter the operators' page: name:SHA-256 of the token, with commas; made by `operator"
        " token`. Empty: there is no such page.",
    )

    _https = field_validator("public_url", "review_url")(https_in_production)

    def providers(self) -> dict[Channel, tuple[str, ...]]:
        """The providers of each channel, in their order; none where it goes to the development mailbox."""
        return {
            "email": _names(self.email_providers or ("smtp" if self.smtp_host else "")),
            "sms": _names(self.sms_providers or ("sms-http" if self.sms_url else "")),
        }

    def mail_server(self, name: str) -> MailServer:
        """One of the mail servers, ``smtp`` or ``smtp2``."""
        own = {part: getattr(self, f"{name}_{part}") for part in ("host", "port", "user", "tls", "ca_file")}
        password = getattr(self, f"{name}_password").get_secret_value()
        return MailServer(name, password=password, sender=self.smtp_from, connections=self.smtp_connections, **own)

    def receipts_url(self, provider: str) -> str:
        """Where a provider's receipts go, before the try's id; nothing where nobody outside could reach it."""
        return f"{self.public_url.rstrip('/')}/receipts/{provider}" if self.public_url.startswith("https://") else ""

    def limits(self) -> Limits:
        """What sending may cost."""
        countries = (each.partition(":") for each in _names(self.sms_countries))
        per_hour = {"email": self.email_per_hour, "sms": self.sms_per_hour}
        off: dict[Channel, bool] = {"email": self.email_paused, "sms": self.sms_paused}
        return Limits(
            per_hour={channel: most for channel, most in per_hour.items() if most},
            countries={country: int(most) if most else None for country, _, most in countries},
            off=frozenset(channel for channel, is_off in off.items() if is_off),
        )

    def check_channels(self) -> None:
        """Raises SettingsError for a provider that is named and not set up, and for a channel of production without."""
        for variable, names in (("EMAIL", self.providers()["email"]), ("SMS", self.providers()["sms"])):
            for name in names:
                if missing := [each for each in NEEDED[name] if not _text(getattr(self, each))]:
                    needed = " and ".join(f"NOTIFY_{each.upper()}" for each in missing)
                    msg = f"NOTIFY_{variable}_PROVIDERS names {name}, for which {needed} must be set"
                    raise SettingsError(msg)
        first = {"email": "NOTIFY_SMTP_HOST", "sms": "NOTIFY_SMS_URL"}
        unset = [first[channel] for channel, names in self.providers().items() if not names]
        if unset and self.environment == "production":
            msg = (
                f"{' and '.join(unset)} must be set in production, or other providers named (NOTIFY_EMAIL_PROVIDERS,"
                " NOTIFY_SMS_PROVIDERS): there is no mailbox page to fall back to"
            )
            raise SettingsError(msg)


def _names(text: str) -> tuple[str, ...]:
    """Each once, in their order."""
    return tuple(dict.fromkeys(text.split(","))) if text else ()


def _text(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
