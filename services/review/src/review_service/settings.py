"""The review service's environment variables, each with the prefix ``REVIEW_``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from review_service.accounts.domain import SignInPolicy
from shared.settings import ServiceSettings, SettingsError


class Settings(ServiceSettings):
    """What the review service needs to know."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="REVIEW_", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        default=SecretStr("postgresql://review:review@localhost:5432/kinbind"), description="PostgreSQL, role review."
    )
    port: int = Field(default=8003, description="Teachers' pages and health checks.")
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
    passwords_at_once: int = Field(
        default=2, ge=1, description="Passwords hashed at the same time; each takes 19 MiB and a core."
    )

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
