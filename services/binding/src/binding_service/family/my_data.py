"""My data: all that the binding service keeps about an account's person, to be read and to be taken along.

What other services hold comes from here: review what a school decides by, notify a letter until it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from binding_service import id_numbers
from binding_service.accounts.use_cases import require_account
from binding_service.drafts import use_cases as drafts
from binding_service.drafts.draft import Draft
from binding_service.errors import NotSignedInError
from binding_service.family import storage
from shared.events import Signature
from shared.observing import use_case

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding, Keys
    from binding_service.logins.domain import Session


class AccountData(BaseModel):
    """The account itself. The password is kept as a hash, which nobody can read."""

    login: str
    name: str
    phone: str
    national_id: str
    language: str
    opened_at: AwareDatetime
    deletion_due: AwareDatetime | None


class BindingData(BaseModel):
    """One child of an application."""

    id: UUID
    student: str
    school: str
    class_name: str
    relation: str
    relation_text: str
    state: str
    submitted_at: AwareDatetime
    changed_at: AwareDatetime
    reason: str = Field(description="The school's.")


class ApplicationData(BaseModel):
    """An application, as it was signed or came on paper."""

    id: UUID
    number: str
    submitted_at: AwareDatetime
    name: str
    email: str
    phone: str
    national_id: str
    language: str
    statement_version: str
    statement_language: str
    statement_hash: str
    consented_at: AwareDatetime | None
    consent_address: str
    signature: Signature | None
    document_hash: str = Field(description="SHA-256 of what was signed, in hex; it stands on the paper form.")
    on_paper: bool
    paper_forms_made: list[AwareDatetime]
    bindings: list[BindingData]


class ObjectionData(BaseModel):
    """What was objected to another guardian of a child."""

    student: str
    submitted_at: AwareDatetime
    reason: str
    outcome: str
    closed_at: AwareDatetime | None
    note: str


class SessionData(BaseModel):
    """Somebody who is signed in now."""

    by_password: bool
    browser: str = Field(description="Empty where it is not known.")
    system: str = Field(description="The same.")
    signed_in_at: AwareDatetime
    last_used_at: AwareDatetime
    ends_at: AwareDatetime


class BrowserData(BaseModel):
    """A browser in which the account was signed in to: a cookie tells it, of which a hash is kept."""

    last_used_at: AwareDatetime


class NoticeData(BaseModel):
    """What the owner was told of by mail, with the contact that was there before."""

    kind: str
    told_at: AwareDatetime
    email_before: str | None
    phone_before: str | None


class ContactChangeData(BaseModel):
    """A contact that a code has yet to prove."""

    channel: str
    contact: str
    expires_at: AwareDatetime


class MyData(BaseModel):
    """All of it."""

    account: AccountData
    applications: list[ApplicationData]
    objections: list[ObjectionData]
    sessions: list[SessionData]
    browsers: list[BrowserData]
    notices: list[NoticeData]
    contact_changes: list[ContactChangeData]
    draft: Draft | None = Field(description="What is filled in and was not sent.")

    def masked(self) -> MyData:
        """The same with the ID numbers masked, for a page on a screen."""
        hidden = {"national_id": id_numbers.mask(self.account.national_id)}
        applications = [
            each.model_copy(update={"national_id": id_numbers.mask(each.national_id)}) for each in self.applications
        ]
        account = self.account.model_copy(update=hidden)
        return self.model_copy(update={"account": account, "applications": applications})


@use_case
async def my_data(binding: Binding, session: Session) -> MyData:
    """All that is kept about the account's person. Raises NotSignedInError, PasswordChangeDueError."""
    account_id = require_account(session)
    draft = await drafts.draft_of(binding, session)
    async with binding.database.connection() as connection:
        account = await storage.account(connection, account_id)
        if account is None:
            raise NotSignedInError
        person = account["person_hash"]
        applications = await storage.applications(connection, person)
        bindings = await storage.bindings(connection, person)
        objections = await storage.objections(connection, person)
        hashes = binding.keys.hashes.digests("contact", account["login"])
        sessions = await storage.sessions(connection, account_id, hashes)
        browsers = await storage.browsers(connection, account_id)
        notices = await storage.notices(connection, account_id)
        changes = await storage.contact_changes(connection, account_id)
    return MyData(
        account=_account(binding.keys, account),
        applications=[_application(binding.keys, row, bindings) for row in applications],
        objections=[_objection(binding.keys, row) for row in objections],
        sessions=[SessionData.model_validate(dict(row)) for row in sessions],
        browsers=[BrowserData.model_validate(dict(row)) for row in browsers],
        notices=[NoticeData.model_validate(dict(row)) for row in notices],
        contact_changes=[_contact_change(binding.keys, row) for row in changes],
        draft=draft if draft.students or draft.adding or draft.typed else None,
    )


def _account(keys: Keys, row: asyncpg.Record) -> AccountData:
    place = f"accounts:{row['id']}:national_id"
    return AccountData.model_validate(dict(row) | {"national_id": keys.store.unseal(row["national_id_sealed"], place)})


def _application(keys: Keys, row: asyncpg.Record, bindings: list[asyncpg.Record]) -> ApplicationData:
    place = f"applications:{row['id']}"
    signature = row["signature_sealed"]
    return ApplicationData.model_validate(
        dict(row)
        | {
            "national_id": keys.store.unseal(row["national_id_sealed"], f"{place}:national_id"),
            "consent_address": row["consent_address"] or "",
            "signature": keys.store.unseal_model(Signature, signature, f"{place}:signature") if signature else None,
            "document_hash": row["signed_hash"] or "",
            "on_paper": row["signed_on"] is not None,
            "paper_forms_made": row["forms_made"],
            "bindings": [_binding(keys, child) for child in bindings if child["application_id"] == row["id"]],
        }
    )


def _binding(keys: Keys, row: asyncpg.Record) -> BindingData:
    return BindingData.model_validate(
        dict(row)
        | {
            "student": row["student_name"],
            "school": row["school_name"],
            "reason": _opened(keys, row["reason_sealed"], f"bindings:{row['id']}:reason"),
        }
    )


def _objection(keys: Keys, row: asyncpg.Record) -> ObjectionData:
    place = f"objections:{row['id']}"
    return ObjectionData.model_validate(
        dict(row)
        | {
            "student": row["student_name"],
            "outcome": row["outcome"] or "",
            "reason": _opened(keys, row["reason_sealed"], f"{place}:reason"),
            "note": _opened(keys, row["note_sealed"], f"{place}:note"),
        }
    )


def _contact_change(keys: Keys, row: asyncpg.Record) -> ContactChangeData:
    contact = keys.store.unseal(row["contact_sealed"], f"contact_changes:{row['id']}:contact")
    return ContactChangeData(channel=row["channel"], contact=contact, expires_at=row["expires_at"])


def _opened(keys: Keys, sealed: str | None, place: str) -> str:
    return keys.store.unseal(sealed, place) if sealed else ""
