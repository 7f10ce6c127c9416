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
    BindingRevoked,
    BindingSubmitted,
    BindingToReview,
    BindingWithdrawn,
    PaperApplicationRejected,
    Signature,
    SubmittedStudent,
)

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from binding_service.applications.domain import Applicant
    from binding_service.context import Keys
    from binding_service.drafts.domain import Student
    from shared.events import Event, Language, RosterGuardian

#: What is told in the clear of a binding that waits, by the names that its row and its event share.
SUBMITTED = (
    "version",
    "application_id",
    "application_number",
    "student_id",
    "school_id",
    "class_id",
    "relation",
    "submitted_at",
    "statement_version",
    "on_paper",
    "paper_entry_id",
    "document_hash",
)
#: The states whose reason the parent reads.
WITH_REASON: dict[str, type[BindingRefused | BindingRevoked]] = {"refused": BindingRefused, "revoked": BindingRevoked}


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
    row: asyncpg.Record,
    national_id: str,
    guardians: list[RosterGuardian],
    *,
    parent_teacher_ids: list[str],
    is_known_guardian: bool,
    is_contact_shared: bool,
) -> BindingSubmitted:
    """For review: a child waits for its homeroom teacher. ``row`` is one of storage.submissions."""
    return BindingSubmitted.of(
        "binding",
        row["id"],
        **{name: row[name] for name in SUBMITTED},
        parent_teacher_ids=parent_teacher_ids,
        is_known_guardian=is_known_guardian,
        is_contact_shared=is_contact_shared,
    ).sealed(
        keys.to_review,
        for_review=BindingToReview(
            student_name=row["student_name"],
            parent_name=row["parent_name"],
            relation_text=row["relation_text"],
            national_id_masked=id_numbers.mask(national_id),
            email_masked=mask_email(row["email"]),
            phone_masked=mask_phone(row["phone"]),
            signature=_signature(keys, row),
            national_id=national_id,
            email=row["email"],
            phone=row["phone"],
            guardians=guardians,
        ),
    )


def _signature(keys: Keys, row: asyncpg.Record) -> Signature:
    """The signature of an application; an empty one where it is on paper."""
    sealed = row["signature_sealed"]
    if sealed is None:
        return Signature()
    return keys.store.unseal_model(Signature, sealed, f"applications:{row['application_id']}:signature")


def paper_application_rejected(entry_id: UUID, problems: dict[str, str]) -> PaperApplicationRejected:
    """For review: what is wrong with an application that was entered from paper."""
    return PaperApplicationRejected.of("binding", entry_id, problems=problems)


def binding_ended(keys: Keys, row: asyncpg.Record) -> Event:
    """For review and notify: the state that a binding is in now, however it got there. Raises KeyError if it waits."""
    facts = {"version": row["version"], "application_id": row["application_id"], "language": row["language"]}
    who = {"email": row["notice_email"], "parent_name": row["parent_name"], "student_name": row["student_name"]}
    if row["state"] in WITH_REASON:
        reason = keys.store.unseal(row["reason_sealed"], f"bindings:{row['id']}:reason")
        return (
            WITH_REASON[row["state"]]
            .of("binding", row["id"], **facts)
            .sealed(keys.to_notify, for_notify=AddresseeWithReason(**who, reason=reason))
        )
    if row["state"] == "approved":
        return BindingApproved.of("binding", row["id"], **facts, opens_account=row["opens_account"]).sealed(
            keys.to_notify, for_notify=Addressee(**who)
        )
    if row["state"] == "withdrawn":
        return BindingWithdrawn.of("binding", row["id"], **facts).sealed(keys.to_notify, for_notify=Addressee(**who))
    raise KeyError(row["state"])
