"""The paper form of an application, and whether one that somebody holds is genuine."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from binding_service.applications import storage
from binding_service.applications.signed import SignedDocument
from binding_service.drafts import limits
from binding_service.drafts.domain import mask_name
from binding_service.errors import InvalidFieldsError, NotFoundError
from shared.observing import use_case

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from binding_service.context import Binding
    from binding_service.logins.domain import Session
    from shared.events import Language

log = structlog.get_logger(__name__)

SHA256_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper form: the application's number and the PDF."""

    number: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Genuine:
    """What is said of a genuine form, to be compared with what stands on it: names are masked.

    ``is_file`` says that every byte of the file is ours; else only the printed hash was known.
    """

    number: str
    submitted_at: datetime
    parent_name: str
    students: list[str]
    hash: str
    is_file: bool


@use_case
async def paper_form(binding: Binding, session: Session, application_id: UUID, language: Language) -> Paper:
    """The paper form of an application that this contact reaches; masked for one that was never proven in it.

    Raises NotFoundError, LimitedError, PaperUnavailableError.
    """
    async with binding.database.connection() as connection:
        row = await storage.signed_document(connection, session.contact_hash, application_id)
    if row is None:
        raise NotFoundError
    await limits.count_paper_form(binding, session)
    document = _document(binding, application_id, row["signed_sealed"])
    verify_url = f"{binding.settings.public_url.rstrip('/')}/verify?hash={row['signed_hash']}"
    masked = not row["proven"]
    content = await binding.paper.render(document, row["signed_hash"], verify_url, language, masked=masked)
    async with binding.database.transaction() as connection:
        await storage.note_paper_form(connection, application_id, hashlib.sha256(content).hexdigest())
    log.info("paper form made", application=str(application_id), masked=masked)
    return Paper(document.number, content)


def parse_hash(typed: str) -> str:
    """The hash as it is stored, from one that was typed or pasted in groups. Raises InvalidFieldsError at ``hash``."""
    plain = re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", typed)).lower()
    if SHA256_HEX.fullmatch(plain) is None:
        raise InvalidFieldsError({"hash": "bad_hash"})
    return plain


@use_case
async def verify(binding: Binding, hash_: str) -> Genuine | None:
    """The application that has this hash, or one of whose paper forms has; None where none of ours does."""
    async with binding.database.connection() as connection:
        row = await storage.genuine(connection, hash_)
    if row is None:
        return None
    document = _document(binding, row["id"], row["signed_sealed"])
    return Genuine(
        number=row["number"],
        submitted_at=row["submitted_at"],
        parent_name=mask_name(document.parent_name),
        students=[mask_name(student.name) for student in document.students],
        hash=row["signed_hash"],
        is_file=row["is_file"],
    )


def _document(binding: Binding, application_id: UUID, sealed: str) -> SignedDocument:
    return binding.keys.store.unseal_model(SignedDocument, sealed, f"applications:{application_id}:signed")
