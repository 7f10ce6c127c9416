"""What a parent signs, as one text."""

from __future__ import annotations

from binding_service.applications.signed import SignedDocument, document_hash
from support.papers import make_signed_document


def test_who_knows_all_that_was_signed_can_still_not_guess_its_hash() -> None:
    content = make_signed_document().model_dump(exclude={"salt"})
    hashes = {document_hash(SignedDocument.model_validate(content).canonical()) for _ in range(2)}
    assert len(hashes) == 2
