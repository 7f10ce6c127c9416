"""What the binding service tells the others about applications: rows into events, the personal part sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from binding_service import id_numbers
from binding_service.words import _
from shared.contacts import mask_email, mask_phone
from shared.events import (
    Addressee,
    AddresseeWithReason,
    ApplicationSubmitted,
    ApplicationToAcknowledge,
    BindingApproved,
    BindingLapsed,
    BindingRefused,
    BindingResumed,
    BindingRevoked,
    BindingSubmitted,
    BindingToReview,
    BindingWithdrawn,
    PaperApplicationRejected,
    Signature,
    SubmittedStudent,
)
from shared.languages import marked, speaking

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from binding_service.applications.domain import Applicant
    from binding_service.context import Keys
    from binding_service.drafts.domain import Student
    from shared.events import Event, Language, RosterGuardian

#: Why an application is refused whose child the roster no longer has, and what to do; marked for translation.
LEFT = marked(
    "學校的學籍資料顯示這位學生已不在學，這筆申請因此結束。"
    "孩子若已轉學，請以現在就讀的學校重新申請；若仍在原校就讀，請洽學校資訊組長。"
)
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
#: What is told of every binding that no longer waits, likewise.
STANDING = ("version", "student_id", "school_id", "class_id", "left_on")
#: The states whose reason the parent reads.
WITH_REASON = ("refused", "revoked")
BindingEnded = BindingApproved | BindingRefused | BindingWithdrawn | BindingRevoked
ENDED: dict[str, type[BindingRefused | BindingWithdrawn | BindingRevoked]] = {
    "refused": BindingRefused,
    "withdrawn": BindingWithdrawn,
    "revoked": BindingRevoked,
}


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
    """For review: a child waits for its homeroom teacher. ``row`` is one of storage.submissions.

    Of one that no longer waits nobody needs ID number and contacts any more.
    """
    contacts = {"national_id": national_id, "email": row["email"], "phone": row["phone"]} if row["waits"] else {}
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
            guardians=guardians,
            **contacts,
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


def binding_ended(keys: Keys, row: asyncpg.Record, *, is_replay: bool = False) -> Event:
    """For review and notify: the state that a binding is in now, however it got there. Raises KeyError if it waits.

    A replay is for review alone: it has nobody's address in it.
    """
    told = {**_standing(row), "application_id": row["application_id"], "language": row["language"]}
    told |= {"is_replay": is_replay}
    event: BindingEnded
    if row["state"] == "approved":
        event = BindingApproved.of("binding", row["id"], **told, opens_account=row["opens_account"])
    else:
        event = ENDED[row["state"]].of("binding", row["id"], **told)
    return event if is_replay else event.sealed(keys.to_notify, for_notify=_addressee(keys, row))


def _addressee(keys: Keys, row: asyncpg.Record) -> Addressee:
    """Who is told of the end of a binding, with the reason where there is one."""
    who = {"email": row["notice_email"], "parent_name": row["parent_name"], "student_name": row["student_name"]}
    if row["state"] not in WITH_REASON:
        return Addressee(**who)
    with speaking(row["language"]):
        return AddresseeWithReason(**who, reason=reason_of(keys, row))


def reason_of(keys: Keys, row: asyncpg.Record) -> str:
    """Why a binding was refused or revoked: the school's words, or ours in the reader's language; empty for others."""
    if row["state"] == "refused" and row["left_on"] is not None:
        return _(LEFT)
    sealed = row["reason_sealed"]
    return keys.store.unseal(sealed, f"bindings:{row['id']}:reason") if sealed else ""


def binding_lapsed(row: asyncpg.Record) -> BindingLapsed:
    """For review: the bound child is not in the roster any more."""
    return BindingLapsed.of("binding", row["id"], **_standing(row))


def binding_resumed(row: asyncpg.Record) -> BindingResumed:
    """For review: the bound child is in the roster again."""
    return BindingResumed.of("binding", row["id"], **_standing(row))


def _standing(row: asyncpg.Record) -> dict[str, object]:
    return {name: row[name] for name in STANDING} | {"settled_at": row["changed_at"]}
