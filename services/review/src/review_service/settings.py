"""The review service's environment variables, each with the prefix ``REVIEW_``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from review_service.accounts.domain import SignInPolicy
from review_service.reminders.domain import ReminderPolicy
from shared.settings import ServiceSettings, SettingsError, https_in_production

LOCAL_PARENTS_URL = "http://localhost:8002"


def _hour(value: object) -> object:
    """Where an environment variable cannot be left out, empty or ``none`` says that there is no hour."""
    return None if isinstance(value, str) and value.strip().lower() in {"", "none"} else value


class Settings(ServiceSettings):
    """What the review service needs to know."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="REVIEW_", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        default=SecretStr("postgresql://review:review@localhost:5432/kinbind"), description="PostgreSQL, role review."
    )
    port: int = Field(default=8003, description="Teachers' pages and health checks.")
    parents_url: str = Field(
        default=LOCAL_PARENTS_URL,
        validate_default=True,
        description="Where parents reach their pages: stands on every invitation, in letters and as a QR code.",
    )
    key_binding_review: SecretStr = Field(
        default=SecretStr(""), description="Shared with binding: what it tells of teachers and applications."
    )
    key_review_binding: SecretStr = Field(
        default=SecretStr(""), description="Shared with binding: reasons that travel to it."
    )
    key_review_notify: SecretStr = Field(
        default=SecretStr(""), description="Shared with notify: which teacher is told what waits."
    )
    key_review_store: SecretStr = Field(default=SecretStr(""), description="Seals personal data at rest.")
    key_sign_in: SecretStr = Field(
        default=SecretStr(""), description="Keyed hash of session tokens and of rate-limited names and addresses."
    )
    key_audit: SecretStr = Field(
        default=SecretStr(""),
        description="Keyed hash that chains the audit log. A key that was ever first stays in the list: lines need it.",
    )

    undo_seconds: int = Field(default=10, ge=0, description="How long a decision can be undone before it leaves.")
    streams_per_teacher: int = Field(
        default=10, ge=1, description="Open pages of one teacher that renew themselves, in each process."
    )
    session_hours: int = Field(default=10, ge=1, description="Longest life of a session, used or not: a school day.")
    session_idle_minutes: int = Field(default=30, ge=1, description="Idleness that ends a session.")
    sign_in_tries: int = Field(
        default=8,
        ge=1,
        description="Sign-ins for one user name from one client address, or a known browser, in any window.",
    )
    sign_in_account_tries: int = Field(
        default=50, ge=1, description="Sign-ins for one user name from all browsers that are not known to it."
    )
    sign_in_account_window_minutes: int = Field(
        default=60, ge=1, le=1440, description="The window in which those are counted."
    )
    sign_in_address_tries: int = Field(
        default=60, ge=1, description="Sign-ins from one client address in any window; a school may sit behind one."
    )
    sign_in_window_minutes: int = Field(
        default=15, ge=1, le=1440, description="The window in which the sign-ins of a client address are counted."
    )
    not_mine_per_address_hour: int = Field(
        default=30, ge=1, description="Notices that one client address may say are not its reader's, in any hour."
    )
    start_password_days: int = Field(
        default=7, ge=1, description="How long a password works that somebody else gave to a teacher."
    )
    local_accounts: bool = Field(default=True, description="Whether teachers may sign in with a local account.")
    public_url: str = Field(
        default="", description="Where teachers reach these pages; single sign-on comes back to {it}/sign-in/return."
    )
    oidc_issuer: str = Field(
        default="", description="The OpenID provider's issuer, as its discovery document says it; empty: none."
    )
    oidc_client_id: str = Field(default="", description="What the provider calls this service.")
    oidc_client_secret: SecretStr = Field(default=SecretStr(""), description="Empty for a public client.")
    oidc_scopes: str = Field(default="openid profile email", description="What the provider is asked for.")
    oidc_claim: str = Field(default="email", description="The claim that tells which teacher signed in.")
    oidc_teacher: Literal["id", "email"] = Field(
        default="email", description="What the claim is compared with: the teacher's id in the roster, or the e-mail."
    )
    oidc_name: str = Field(default="", description="What teachers call the provider; stands on the button.")
    requests_per_client: int = Field(
        default=20,
        ge=1,
        description="Requests of one client address under way in one process; its others wait in line.",
    )
    passwords_at_once: int = Field(
        default=2, ge=1, description="Passwords hashed at the same time; each takes 19 MiB and a core."
    )

    remind_after_days: int = Field(
        default=3, ge=0, description="Days that an application waits until its teachers are reminded, once; 0: never."
    )
    escalate_after_days: int = Field(
        default=7, ge=0, description="Days that it waits until the school's administrators are told, once; 0: never."
    )
    retain_closed_days: int = Field(
        default=365,
        ge=30,
        description="Days after which a refused, withdrawn or unbound application loses its personal data.",
    )
    digest_hour: Annotated[int | None, BeforeValidator(_hour)] = Field(
        default=7, ge=0, le=23, description="When reviewers are told daily what waits, in Taipei; empty or none: never."
    )

    @field_validator("parents_url")
    @classmethod
    def _is_known_in_production(cls, url: str, info: ValidationInfo) -> str:
        if not url.startswith(("http://", "https://")):
            msg = "must be an address that begins with http:// or https://"
            raise ValueError(msg)
        if info.data.get("environment") == "production" and url == LOCAL_PARENTS_URL:
            msg = "must be set in production: an invitation that was printed keeps its QR code"
            raise ValueError(msg)
        return https_in_production(url, info)

    _https = field_validator("public_url")(https_in_production)

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies travel over HTTPS only: always, but for a developer's own machine."""
        return self.environment == "production"

    def check_ways_in(self) -> None:
        """Raises SettingsError where nobody could sign in, or single sign-on is set up by half."""
        if not self.oidc_issuer:
            if not self.local_accounts:
                msg = "REVIEW_OIDC_ISSUER must be set where REVIEW_LOCAL_ACCOUNTS is false: nobody could sign in"
                raise SettingsError(msg)
            return
        if not (self.oidc_client_id and self.public_url):
            msg = "REVIEW_OIDC_CLIENT_ID and REVIEW_PUBLIC_URL must be set with REVIEW_OIDC_ISSUER"
            raise SettingsError(msg)
        if self.environment == "production" and not self.oidc_issuer.startswith("https://"):
            msg = "REVIEW_OIDC_ISSUER must begin with https:// in production"
            raise SettingsError(msg)

    def sign_in_policy(self) -> SignInPolicy:
        """The rules of signing in, as the domain knows them."""
        return SignInPolicy(
            session_hours=self.session_hours,
            idle_minutes=self.session_idle_minutes,
            tries=self.sign_in_tries,
            account_tries=self.sign_in_account_tries,
            address_tries=self.sign_in_address_tries,
            window_minutes=self.sign_in_window_minutes,
            account_window_minutes=self.sign_in_account_window_minutes,
            start_password_days=self.start_password_days,
        )

    def reminder_policy(self) -> ReminderPolicy:
        """When reviewers are told what waits, as the domain knows it."""
        return ReminderPolicy(
            remind_after_days=self.remind_after_days,
            escalate_after_days=self.escalate_after_days,
            digest_hour=self.digest_hour,
        )
