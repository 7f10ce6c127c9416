"""A half-filled application: kept on the server, sealed as a whole, one for a contact."""

from __future__ import annotations

from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, Field

from shared.events import Language, Relation


class NewStudent(BaseModel):
    """A child that is being named, one question after the other."""

    relation: str = ""
    relation_text: str = ""
    level: str = ""
    national_id: str = ""


class DraftStudent(BaseModel):
    """A child that was found in the roster, and what the parent is to it."""

    student_id: str
    school_id: str
    relation: Relation
    relation_text: str = ""


class Consent(BaseModel):
    """Which statement was accepted, in which language, when and from where."""

    version: str
    hash: str
    language: Language = "zh-TW"
    at: AwareDatetime
    client_address: str


class Parent(BaseModel):
    """The parent's own data. With an account, the rest is the account's.

    ``known`` is what an earlier application of this contact says: it is shown masked, and nobody types it again.
    """

    national_id: str
    known: bool = False
    account_id: UUID | None = None
    name: str = ""
    email: str = ""
    phone: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is nothing to ask: an account or an earlier application says it."""
        return self.account_id is not None or self.known

    @property
    def complete(self) -> bool:
        """Whether nothing is left to fill in."""
        return bool(self.account_id or (self.name and self.email and self.phone))


class EmailProof(BaseModel):
    """A code was sent to an e-mail that is not the contact of the login; ``proven`` when it came back."""

    email: str
    attempt_id: UUID = Field(default_factory=uuid4)
    proven: bool = False
    tries_left: int = 0
    expires_at: AwareDatetime | None = None
    resend_at: AwareDatetime | None = None


class Draft(BaseModel):
    """All of it. Its id makes sending idempotent: one draft becomes one application.

    ``typed`` keeps what stands on a page that was left before it was complete: the fields by the page's name.
    ``added_by`` are the requests that added the children, by the child.
    """

    id: UUID = Field(default_factory=uuid4)
    adding: NewStudent | None = None
    students: list[DraftStudent] = []
    consent: Consent | None = None
    parent: Parent | None = None
    email_proof: EmailProof | None = None
    typed: dict[str, dict[str, str]] = {}
    added_by: dict[str, UUID] = {}

    def missing(self, statement_version: str, session_contact: str) -> str | None:
        """The first step that is not complete: students, consent, parent or email_proof."""
        if not self.students:
            return "students"
        if self.consent is None or self.consent.version != statement_version:
            return "consent"
        if self.parent is None or not self.parent.complete:
            return "parent"
        return None if self.email_is_proven(session_contact) else "email_proof"

    def email_is_proven(self, session_contact: str) -> bool:
        """A slip of the finger must not hand the account to a stranger."""
        if self.parent is None or self.parent.account_id or self.parent.email == session_contact:
            return True
        proof = self.email_proof
        return proof is not None and proof.proven and proof.email == self.parent.email
