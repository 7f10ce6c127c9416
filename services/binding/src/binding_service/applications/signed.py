"""What a parent signs: the whole application as one fixed text, known by its hash.

An image of a signature proves little. What is kept is who signed (the ID number, and the contact that a code or a
password proved), what was signed (every field, the statement that was accepted) and the strokes themselves, in one
canonical text whose SHA-256 stands on the paper form: an electronic signature that identifies the signer and lets a
later change be noticed (電子簽章法, articles 2 and 5, as amended on 2024-05-15).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Literal

from pydantic import AwareDatetime, Field

from shared.events import Language, Model, Relation, Signature


class SignedStudent(Model):
    """A child, as the parent named it."""

    name: str
    school: str
    class_name: str
    relation: Relation
    relation_text: str = Field(description="The parent's words, where the relation is other; else empty.")


class SignedDocument(Model):
    """All that stands above the signature, and the signature."""

    form: Literal["kinbind.application.v1"] = "kinbind.application.v1"
    number: str
    students: list[SignedStudent]
    parent_name: str
    national_id: str
    email: str
    phone: str = Field(description="E.164.")
    proven_by: Literal["email", "sms", "password"] = Field(description="How the signer was identified.")
    proven_contact: str
    proven_at: AwareDatetime
    statement_version: str
    statement_language: Language
    statement_hash: str = Field(description="SHA-256 of the statement's text in that language, in hex.")
    consented_at: AwareDatetime
    consent_address: str = Field(description="The client address of the consent.")
    signature: Signature
    signed_at: AwareDatetime
    salt: str = Field(
        default_factory=lambda: secrets.token_urlsafe(32),
        description="So that nobody who knows the hash can guess at the content.",
    )

    def canonical(self) -> str:
        """The text that is hashed: JSON with sorted keys and no spaces (RFC 8785, for what stands in here)."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def document_hash(canonical: str) -> str:
    """SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(canonical.encode()).hexdigest()
