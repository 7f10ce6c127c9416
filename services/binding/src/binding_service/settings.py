"""The binding service's environment variables, each with the prefix ``BINDING_``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from binding_service.roster.domain import Choices
from shared.settings import ServiceSettings, https_in_production

#: Where Debian's packages put the fonts of the paper form: fonts-noto-cjk, fonts-dejavu-core, fonts-hanazono,
#: fonts-cns11643-sung, fonts-babelstone-han.
DEBIAN_FONTS = Path("/usr/share/fonts")
FONT_FOLDERS = ("opentype/noto", "truetype/dejavu", "truetype/hanazono", "truetype/cns11643", "truetype/babelstone")


LOCAL_URL = "http://localhost:8002"


class Settings(ServiceSettings):
    """What the binding service needs to know."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="BINDING_", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        default=SecretStr("postgresql://binding:binding@localhost:5432/kinbind"),
        description="PostgreSQL, role binding.",
    )
    port: int = Field(default=8002, description="The parents' pages and the API.")
    public_url: str = Field(
        default=LOCAL_URL,
        validate_default=True,
        description="Where parents and schools reach the pages: stands in the QR code of every paper form.",
    )
    review_url: str = Field(
        default="",
        description="Where schools reach the teachers' pages: a genuine paper form links there. Empty: no link.",
    )
    allowed_origins: list[str] = Field(default=[], description="Front ends that may call with the cookie, as JSON.")
    key_binding_store: SecretStr = Field(default=SecretStr(""), description="Seals IDs, signatures and drafts at rest.")
    key_binding_hash: SecretStr = Field(default=SecretStr(""), description="Keyed hash of IDs and contacts.")
    key_binding_otp: SecretStr = Field(
        default=SecretStr(""), description="Shared with otp: contacts and codes in requests."
    )
    key_binding_review: SecretStr = Field(default=SecretStr(""), description="Shared with review: what a teacher sees.")
    key_review_binding: SecretStr = Field(
        default=SecretStr(""), description="Shared with review: what a teacher wrote."
    )
    key_binding_notify: SecretStr = Field(default=SecretStr(""), description="Shared with notify: who is told what.")

    request_seconds: float = Field(default=5, gt=0, description="How long a request to another service may take.")
    session_hours: int = Field(default=12, ge=1, description="Life of a session.")
    session_idle_minutes: int = Field(default=120, ge=5, description="Minutes after which an unused session ends.")
    students_per_application: int = Field(default=10, ge=1, description="Children in one application at most.")
    requests_per_client: int = Field(
        default=20,
        ge=1,
        description="Requests of one client address under way in one process; its others wait in line.",
    )
    streams_per_contact: int = Field(
        default=10, ge=1, description="Progress streams that one contact may keep open in one process."
    )
    match_per_login_hour: int = Field(default=10, ge=1, description="Look-ups of a child by one login in any hour.")
    match_per_contact_day: int = Field(default=20, ge=1, description="Look-ups of a child by one contact in any day.")
    match_per_address_hour: int = Field(
        default=100, ge=1, description="Look-ups of a child by one client address in any hour."
    )
    match_per_student_day: int = Field(
        default=10, ge=1, description="Look-ups of one ID number in any day, whoever asks."
    )
    parent_per_login_hour: int = Field(
        default=10, ge=1, description="Parents' ID numbers verified by one login in any hour."
    )
    parent_per_contact_day: int = Field(
        default=20, ge=1, description="Parents' ID numbers verified by one contact a day."
    )
    parent_per_address_hour: int = Field(default=100, ge=1, description="The same by one client address an hour.")
    paper_forms_per_contact_hour: int = Field(
        default=30, ge=1, description="Paper forms made for one contact in any hour."
    )
    first_password_days: int = Field(default=14, ge=1, description="Days for which the first password works.")
    first_password_tries: int = Field(default=5, ge=1, description="Wrong tries that end the first password.")
    sign_in_per_browser_hour: int = Field(
        default=10,
        ge=1,
        description="Passwords tried for one account in any hour, by one browser or client address.",
    )
    sign_in_per_login_hour: int = Field(
        default=50, ge=1, description="The same by all browsers together in which it was never signed in to."
    )
    sign_in_per_address_hour: int = Field(
        default=100, ge=1, description="Sign-ins tried by one client address in any hour, for whatever account."
    )
    device_days: int = Field(
        default=180, ge=1, le=400, description="Days for which a browser is known to an account after a sign-in."
    )
    not_me_days: int = Field(
        default=7, ge=1, description="Days for which the link 'this was not me' of a notice works."
    )
    not_mine_per_address_hour: int = Field(
        default=30, ge=1, description="Notices that one client address may say are not its reader's, in any hour."
    )
    roster_removed_percent: float = Field(
        default=5, ge=0, le=100, description="An import that removes more of the students or classes stops and asks."
    )
    roster_removed_at_least: int = Field(
        default=20, ge=1, description="Fewer than so many students or classes never stop an import."
    )
    roster_tokens: str = Field(
        default="",
        description="Who may send a roster over HTTP: name:SHA-256 of the token, with commas; made by `roster token`.",
    )
    roster_push_megabytes: int = Field(default=200, ge=1, description="Size of a roster's zip file sent over HTTP.")
    objections_per_account_day: int = Field(
        default=5, ge=1, description="Objections to other guardians that one account may send in any day."
    )
    deletion_days: int = Field(
        default=14,
        ge=1,
        description="Days after which an account that was asked to be deleted is; until then it isn't.",
    )
    retain_drafts_days: int = Field(default=30, ge=1, description="Days for which a half-filled application is kept.")
    retain_closed_days: int = Field(
        default=180,
        ge=30,
        description="Days after which a refused, withdrawn or unbound application loses its personal data.",
    )
    retain_paper_entries_days: int = Field(
        default=90, ge=1, description="Days for which it is known why an entry from paper could not be taken."
    )
    font_paths: list[Path] = Field(
        default=[DEBIAN_FONTS / folder for folder in FONT_FOLDERS],
        description="Folders with the fonts of the paper form, as JSON. Without them it answers 503.",
    )

    @field_validator("public_url")
    @classmethod
    def _is_known_in_production(cls, url: str, info: ValidationInfo) -> str:
        if info.data.get("environment") == "production" and url == LOCAL_URL:
            msg = "must be set in production: a form that was printed keeps its QR code"
            raise ValueError(msg)
        return https_in_production(url, info)

    _https = field_validator("review_url")(https_in_production)

    @field_validator("allowed_origins")
    @classmethod
    def _are_https_in_production(cls, origins: list[str], info: ValidationInfo) -> list[str]:
        return [https_in_production(origin, info) for origin in origins]

    @property
    def roster_choices(self) -> Choices:
        """How an import is done where nothing else is said."""
        return Choices(most_removed_percent=self.roster_removed_percent, least_removed=self.roster_removed_at_least)
