"""What the binding service tells the others about applications: rows into events, the personal part sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from binding_service import id_numbers
from shared.contacts import mask_email, mask_phone
from shared.events import (
    Addressee,
    AddresseeWithReason,
    ApplicationSubmitted,
    ApplicationToAcknowledge,
    BindingApproved,
    BindingRefused,
    BindingSubmitted,
    BindingToReview,
    BindingWithdrawn,
    SubmittedStudent,
)

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from binding_service.applications.domain import Applicant
    from binding_service.applications.signed import SignedDocument
    from binding_service.context import Keys
    from binding_service.drafts.domain import Student
    from binding_service.drafts.draft import DraftStudent
    from shared.events import Event, Language


def application_submitted(
    keys: Keys, application_id: UUID, number: str, applicant: Applicant, students: list[Student], language: Language
) -> ApplicationSubmitted:
    """For notify: acknowledge the application to its parent."""
    return ApplicationSubmitted.of("binding", application_id, number=number, language=language).sealed(
        keys.to_notify,
        for_notify=ApplicationToAcknowledge(
            email=applicant.email,
            parent_name=applicant.name,
            students=[SubmittedStudent(name=student.name, school=student.school_name) for student in students],
        ),
    )


def binding_submitted(
    keys: Keys,
    binding_id: UUID,
    application_id: UUID,
    applicant: Applicant,
    student: Student,
    named: DraftStudent,
    signed: SignedDocument,
) -> BindingSubmitted:
    """For review: a child waits for its homeroom teacher."""
    return BindingSubmitted.of(
        "binding",
        binding_id,
        version=1,
        application_id=application_id,
        application_number=signed.number,
        student_id=student.id,
        school_id=student.school_id,
        class_id=student.class_id,
        relation=named.relation,
        submitted_at=signed.signed_at,
        statement_version=signed.statement_version,
    ).sealed(
        keys.to_review,
        for_review=BindingToReview(
            student_name=student.name,
            parent_name=applicant.name,
            relation_text=named.relation_text,
            national_id_masked=id_numbers.mask(applicant.national_id),
            email_masked=mask_email(applicant.email),
            phone_masked=mask_phone(applicant.phone),
            signature=signed.signature,
        ),
    )


def binding_ended(keys: Keys, row: asyncpg.Record) -> Event:
    """For review and notify: the state that a binding is in now, however it got there. Raises KeyError if it waits."""
    facts = {"version": row["version"], "application_id": row["application_id"], "language": row["language"]}
    who = {"email": row["notice_email"], "parent_name": row["parent_name"], "student_name": row["student_name"]}
    if row["state"] == "refused":
        reason = keys.store.unseal(row["reason_sealed"], f"bindings:{row['id']}:reason")
        return BindingRefused.of("binding", row["id"], **facts).sealed(
            keys.to_notify, for_notify=AddresseeWithReason(**who, reason=reason)
        )
    if row["state"] == "approved":
        return BindingApproved.of("binding", row["id"], **facts, opens_account=row["opens_account"]).sealed(
            keys.to_notify, for_notify=Addressee(**who)
        )
    if row["state"] == "withdrawn":
        return BindingWithdrawn.of("binding", row["id"], **facts).sealed(keys.to_notify, for_notify=Addressee(**who))
    raise KeyError(row["state"])
