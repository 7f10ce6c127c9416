"""The facts that services tell each other: what each one is, and who may read the sealed part of it.

An event is a CloudEvents 1.0 message in JSON (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md):
``id``, ``source``, ``type``, ``time`` and ``subject`` as the specification names them, ``correlationid`` beside them,
the facts under ``data``. The type ends with its version and is the routing key. Personal data stands only in fields
called ``for_<service>``: JSON, sealed with the key that the two services share, opening only in that field of that
event. Schemas are stored under ``tests/contract/schemas``; they may grow, never shrink.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, get_args
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.logs import correlation_id
from shared.sealing import SealingKeys

Sealed = Annotated[str, Field(description="<key id>.<base64url of nonce and AES-256-GCM ciphertext>")]
Language = Literal["zh-TW", "en", "vi", "id"]
Channel = Literal["email", "sms"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
ToldIn = Annotated[Language, Field(description="The language of what is written to the person.")]
ApplicationId = Annotated[UUID, Field(description="The application; it may name several children.")]
ApplicationNumber = Annotated[str, Field(description="The application number that the parent sees.")]
StudentId = Annotated[str, Field(description="The child's id in the roster, OneRoster's sourcedId.")]
SchoolId = Annotated[str, Field(description="The school's id in the roster, OneRoster's sourcedId.")]
ClassId = Annotated[str, Field(description="The homeroom class's id in the roster, OneRoster's sourcedId.")]
InRoster = Annotated[bool, Field(description="False: the roster no longer has it.")]
Version = Annotated[int, Field(description="Grows with each change of the binding; the highest one is the truth.")]
Revision = Annotated[int, Field(description="Grows with each import; the highest one is the truth.")]

MAX_EVENT_BYTES = 256 * 1024


class Model(BaseModel):
    """Immutable; tolerant of fields that a newer version added; an error never quotes the input."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Event(Model):
    """What all events have. A subclass names its type and the shape of its ``data``."""

    TYPE: ClassVar[str]

    specversion: Literal["1.0"] = Field(default="1.0", description="Of CloudEvents.")
    id: UUID = Field(default_factory=uuid4, description="The event's own, the same in every delivery of it.")
    source: str = Field(description="The service that says so: /otp, /binding or /review.")
    type: str = Field(description="What happened, with the version at its end; the routing key too.")
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC), description="When it was recorded.")
    subject: str = Field(description="The id of what the event is about.")
    correlationid: str = Field(
        default_factory=correlation_id, description="One id from the first request to the last mail."
    )
    datacontenttype: Literal["application/json"] = Field(default="application/json", description="Of data.")

    @classmethod
    def of(cls, source: str, subject: object, **data: Any) -> Self:  # noqa: ANN401 - checked by the model
        """A new event that ``source`` tells about ``subject``; ``data`` are its facts, none of them sealed yet."""
        return cls.model_validate({"source": f"/{source}", "type": cls.TYPE, "subject": str(subject), "data": data})

    def sealed(self, keys: SealingKeys, **parts: BaseModel) -> Self:
        """The same event with each of ``parts`` sealed into the field of that name."""
        data: BaseModel = getattr(self, "data")  # noqa: B009 - every subclass has it, each of its own kind
        filled = {field: keys.seal_model(part, self.place(field)) for field, part in parts.items()}
        return self.model_copy(update={"data": data.model_copy(update=filled)})

    def place(self, field: str) -> str:
        """Where a sealed value belongs: this field of this event."""
        return f"{self.id}:{field}"


# --- otp ---


class CodeToSend(Model):
    """For notify: the code, and where it goes."""

    contact: str = Field(description="An e-mail address or a number in E.164.")
    code: str


class CodeIssuedData(Model):
    """A one-time code exists and has to reach its contact before it expires."""

    channel: Channel = Field(description="How the code is sent.")
    language: ToldIn
    expires_at: AwareDatetime = Field(description="When the code ends.")
    for_notify: Sealed = ""


class CodeIssued(Event):
    """A one-time code was issued. Subject: the login attempt."""

    TYPE: ClassVar[str] = "kinbind.otp.code-issued.v1"
    type: Literal["kinbind.otp.code-issued.v1"]
    data: CodeIssuedData


# --- "this is not mine": what the reader of a notice says by the link at its foot ---


class CodeDisownedData(Model):
    """Who got a code has not asked for it."""

    expires_at: AwareDatetime = Field(description="Of that code: by it the code is known from later ones.")


class CodeDisowned(Event):
    """A code is to be worth nothing any more. Subject: the login attempt that asked for it."""

    TYPE: ClassVar[str] = "kinbind.binding.code-disowned.v1"
    type: Literal["kinbind.binding.code-disowned.v1"]
    data: CodeDisownedData


class NoticeDisownedData(Model):
    """Who got a notice says that it is not theirs, or that they did not do what it tells of."""

    kind: str = Field(max_length=40, description="Of the notice, as notify calls it; there may be new ones.")
    sent_at: AwareDatetime = Field(description="The time in the notice's link: each notice is disowned once.")
    school_id: str = Field(description="Of the child.")


class NoticeDisowned(Event):
    """The reader of a notice disowned it. Subject: the binding that it is about."""

    TYPE: ClassVar[str] = "kinbind.binding.notice-disowned.v1"
    type: Literal["kinbind.binding.notice-disowned.v1"]
    data: NoticeDisownedData


# --- binding: applications ---


class Addressee(Model):
    """For notify: who is told, and the child that it is about."""

    email: str
    parent_name: str
    student_name: str


class AddresseeWithReason(Addressee):
    """For notify: also why the teacher refused, in the teacher's words."""

    reason: str


class SubmittedStudent(Model):
    """For notify: one of the children of an application."""

    name: str
    school: str


class ApplicationToAcknowledge(Model):
    """For notify: who sent an application, and for whom."""

    email: str
    parent_name: str
    students: list[SubmittedStudent]


class ApplicationSubmittedData(Model):
    """A parent has sent an application, with one or more bindings in it."""

    number: ApplicationNumber
    language: ToldIn
    for_notify: Sealed = ""


class ApplicationSubmitted(Event):
    """An application was accepted for review. Subject: the application."""

    TYPE: ClassVar[str] = "kinbind.binding.application-submitted.v1"
    type: Literal["kinbind.binding.application-submitted.v1"]
    data: ApplicationSubmittedData


Relation = Literal[
    "father",
    "mother",
    "paternal_grandfather",
    "paternal_grandmother",
    "maternal_grandfather",
    "maternal_grandmother",
    "other",
]


class Signature(Model):
    """A signature as it was drawn, or the full name typed by who cannot draw. Never an image."""

    width: int = Field(default=600, ge=1, le=4096, description="Width of the field, in its own units.")
    height: int = Field(default=200, ge=1, le=4096, description="Height of the field, in its own units.")
    strokes: list[list[tuple[int, int]]] = Field(
        default=[], description="Strokes in order, each a list of (x, y) points."
    )
    typed: str = Field(default="", max_length=100, description="The name as typed, where there are no strokes.")


class RosterGuardian(Model):
    """A guardian of the child whom the school's roster knows, compared with the parent who applies.

    A comparison is null where the roster does not have that part.
    """

    name: str
    role: Literal["parent", "guardian", "relative"]
    email_masked: str = ""
    phone_masked: str = ""
    same_name: bool
    same_national_id: bool | None = None
    same_email: bool | None = None
    same_phone: bool | None = None


class BindingToReview(Model):
    """For review: what a homeroom teacher needs to decide. ``guardians`` are those of the child in the roster.

    ID number and contacts stand here whole too: a teacher who needs them sees them, and that is written down.
    """

    student_name: str
    parent_name: str
    relation_text: str = Field(description="The parent's words, where the relation is other; else empty.")
    national_id_masked: str
    email_masked: str
    phone_masked: str
    signature: Signature
    national_id: str = ""
    email: str = ""
    phone: str = ""
    guardians: list[RosterGuardian] = []


class BindingSubmittedData(Model):
    """One child of an application waits for its homeroom teacher; told again, with a higher version, when that changed.

    A decision that was taken on an earlier version has not been applied, and waits to be taken anew.
    """

    version: Version
    application_id: ApplicationId
    application_number: ApplicationNumber
    student_id: StudentId
    school_id: SchoolId
    class_id: ClassId
    relation: Relation = Field(description="What the parent is to the child.")
    submitted_at: AwareDatetime = Field(description="When the application was sent.")
    statement_version: str = Field(description="The version of the data statement that the parent agreed to.")
    on_paper: bool = Field(default=False, description="It came on paper; the school's administrator entered it.")
    paper_entry_id: UUID | None = Field(default=None, description="The entry that it was made from.")
    document_hash: str = Field(default="", description="SHA-256 of what was signed, in hex: the QR code's on the form.")
    parent_teacher_ids: list[str] = Field(
        default=[], description="Teachers of the roster who are the parent: they never decide on it."
    )
    is_contact_shared: bool = Field(
        default=False, description="Another family, with no child in common, has applied with one of the contacts."
    )
    is_known_guardian: bool = Field(default=False, description="The school's roster knows this guardian of the child.")
    for_review: Sealed = ""


class BindingSubmitted(Event):
    """A binding waits for a decision. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.binding.submitted.v1"
    type: Literal["kinbind.binding.submitted.v1"]
    data: BindingSubmittedData


class BindingStandingData(Model):
    """How a binding that no longer waits stands, and where its child is.

    The place is that of the roster at this version. While the two are bound the child's place is what the latest
    ClassRosterUpdated says. A version of the service before this told neither place nor days.
    """

    version: Version
    student_id: str = Field(
        default="",
        description="The child's id in the roster, OneRoster's sourcedId; a new one where the roster has changed it.",
    )
    school_id: SchoolId = ""
    class_id: ClassId = ""
    settled_at: AwareDatetime | None = Field(
        default=None, description="When it was approved, refused, withdrawn or revoked; null: at the event's time."
    )
    left_on: date | None = Field(
        default=None,
        description="Since when the roster has no such student: what is bound is kept, what waited was refused.",
    )


class BindingEndedData(BindingStandingData):
    """A binding has left the state in which it waited."""

    application_id: ApplicationId
    language: ToldIn
    is_replay: bool = Field(default=False, description="Told again, to whom it is no news: nobody is written to.")
    for_notify: Sealed = ""


class BindingApprovedData(BindingEndedData):
    """The parent and the child are bound."""

    opens_account: bool = Field(
        default=False, description="True when AccountOpened tells the parent; no second mail then."
    )


class BindingApproved(Event):
    """Binding applied a teacher's approval. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.binding.approved.v1"
    type: Literal["kinbind.binding.approved.v1"]
    data: BindingApprovedData


class BindingRefused(Event):
    """Binding applied a teacher's refusal. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.binding.refused.v1"
    type: Literal["kinbind.binding.refused.v1"]
    data: BindingEndedData


class BindingWithdrawn(Event):
    """The parent withdrew before a decision was applied. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.binding.withdrawn.v1"
    type: Literal["kinbind.binding.withdrawn.v1"]
    data: BindingEndedData


class BindingRevoked(Event):
    """The school unbound a parent and a child that were bound. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.binding.revoked.v1"
    type: Literal["kinbind.binding.revoked.v1"]
    data: BindingEndedData


class BindingLapsed(Event):
    """The roster no longer has a bound child: graduated or left. The binding is kept. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.binding.lapsed.v1"
    type: Literal["kinbind.binding.lapsed.v1"]
    data: BindingStandingData


class BindingResumed(Event):
    """A bound child is in the roster again, or under another id. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.binding.resumed.v1"
    type: Literal["kinbind.binding.resumed.v1"]
    data: BindingStandingData


class PaperApplicationRejectedData(Model):
    """What is wrong with an application that came on paper."""

    problems: dict[str, str] = Field(
        description="Field and code: national_id: bad_id_number, bad_email, bad_phone, student: student_known, …"
    )


class PaperApplicationRejected(Event):
    """An application that an administrator entered cannot be taken. Subject: the entry."""

    TYPE: ClassVar[str] = "kinbind.binding.paper-application-rejected.v1"
    type: Literal["kinbind.binding.paper-application-rejected.v1"]
    data: PaperApplicationRejectedData


# --- binding: accounts ---


class AccountToAnnounce(Addressee):
    """For notify: who can sign in now; ``email`` is the login."""


class AccountOpenedData(Model):
    """A parent's account was opened by the first approval."""

    language: ToldIn
    first_password_until: AwareDatetime = Field(
        description="Until then the last six characters of the ID number sign in."
    )
    for_notify: Sealed = ""


class AccountOpened(Event):
    """An account was opened. Subject: the account."""

    TYPE: ClassVar[str] = "kinbind.binding.account-opened.v1"
    type: Literal["kinbind.binding.account-opened.v1"]
    data: AccountOpenedData


AccountActivity = Literal[
    "new_device",
    "password_changed",
    "email_changed",
    "phone_changed",
    "email_claimed",
    "first_password_stopped",
    "secured",
]


class ActivityToTell(Model):
    """For notify: who is told what happened to the account, where, and the token of the link "this was not me"."""

    email: str
    parent_name: str
    browser: str = Field(default="", description="Its name, where it is known.")
    system: str = Field(default="", description="The name of the system that it runs on, where that is known.")
    now_masked: str = Field(default="", description="The contact that the account has now, where it was changed.")
    not_me_token: str = Field(default="", description="Empty where there is nothing to undo.")


class AccountActivityNotedData(Model):
    """Something happened to an account that its owner is to know.

    ``new_device``: a sign-in in a browser that was not known. ``email_claimed``: somebody named the login of this
    account as their own. ``first_password_stopped``: it was tried too often. ``secured``: the owner said "this was not
    me", and the sessions and the password were ended.
    """

    notice_id: UUID = Field(description="One mail for each.")
    kind: AccountActivity = Field(description="What happened.")
    language: ToldIn
    not_me_until: AwareDatetime | None = Field(default=None, description='Until then "this was not me" works.')
    for_notify: Sealed = ""


class AccountActivityNoted(Event):
    """The owner of an account is to be told what happened to it. Subject: the account."""

    TYPE: ClassVar[str] = "kinbind.binding.account-activity-noted.v1"
    type: Literal["kinbind.binding.account-activity-noted.v1"]
    data: AccountActivityNotedData


# --- binding: the roster ---

Level = Literal["elementary", "junior_high", "senior_high", "vocational_high"]


class SchoolUpdatedData(Model):
    """A school as the roster has it now."""

    revision: Revision
    code: str = Field(description="The Ministry of Education's code of the school.")
    name: str = Field(description="The school's name.")
    level: Level = Field(description="Which kind of school it is.")
    active: InRoster


class SchoolUpdated(Event):
    """A school is new in the roster, or changed. Subject: the school."""

    TYPE: ClassVar[str] = "kinbind.binding.school-updated.v1"
    type: Literal["kinbind.binding.school-updated.v1"]
    data: SchoolUpdatedData


class ClassUpdatedData(Model):
    """A homeroom class as the roster has it now."""

    revision: Revision
    school_id: SchoolId
    name: str = Field(description="The class's name.")
    teacher_ids: list[str] = Field(description="Its homeroom teachers.")
    active: InRoster


class ClassUpdated(Event):
    """A class is new in the roster, or changed. Subject: the class."""

    TYPE: ClassVar[str] = "kinbind.binding.class-updated.v1"
    type: Literal["kinbind.binding.class-updated.v1"]
    data: ClassUpdatedData


class StudentOfClass(Model):
    """A student by id and name."""

    id: str
    name: str


class StudentsForReview(Model):
    """For review: who is in a class."""

    students: list[StudentOfClass]


class ClassRosterUpdatedData(Model):
    """The students of a homeroom class as the roster has them now: all of them, so that who is missing has left it."""

    revision: Revision
    school_id: SchoolId
    for_review: Sealed = ""


class ClassRosterUpdated(Event):
    """The students of a class are new, or changed. Subject: the class."""

    TYPE: ClassVar[str] = "kinbind.binding.class-roster-updated.v1"
    type: Literal["kinbind.binding.class-roster-updated.v1"]
    data: ClassRosterUpdatedData


class TeacherForReview(Model):
    """For review: how a teacher is called and reached."""

    name: str
    email: str


class TeacherUpdatedData(Model):
    """A teacher or school administrator as the roster has them now."""

    revision: Revision
    school_id: SchoolId
    role: Literal["teacher", "administrator"] = Field(description="What they are at this school.")
    active: InRoster
    for_review: Sealed = ""


class TeacherUpdated(Event):
    """A teacher is new in the roster, or changed. Subject: the teacher."""

    TYPE: ClassVar[str] = "kinbind.binding.teacher-updated.v1"
    type: Literal["kinbind.binding.teacher-updated.v1"]
    data: TeacherUpdatedData


# --- review ---


class DecisionReason(Model):
    """For binding: what the teacher wrote, for the parent to read; empty for an approval."""

    reason: str = Field(max_length=1000)


class DecisionMadeData(Model):
    """A teacher decided. Binding applies it, or, where the parent withdrew first, does not."""

    outcome: Literal["approve", "refuse"] = Field(description="The teacher's decision.")
    decided_by: str = Field(description="The teacher's id in the roster.")
    version: int | None = Field(
        default=None, description="Of the BindingSubmitted that was decided on; a decision on an earlier one is void."
    )
    for_binding: Sealed = ""


class DecisionMade(Event):
    """A teacher decided on a binding. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.review.decision-made.v1"
    type: Literal["kinbind.review.decision-made.v1"]
    data: DecisionMadeData


class UnbindingDecidedData(Model):
    """A school's administrator ends a binding. Binding applies it, and says so by BindingRevoked."""

    decided_by: str = Field(description="The administrator's id in the roster.")
    for_binding: Sealed = ""


class UnbindingDecided(Event):
    """An administrator decided that a parent and a child are no longer bound. Subject: the binding."""

    TYPE: ClassVar[str] = "kinbind.review.unbinding-decided.v1"
    type: Literal["kinbind.review.unbinding-decided.v1"]
    data: UnbindingDecidedData


class PaperApplication(Model):
    """For binding: an application as it stands on the paper that a parent signed by hand."""

    relation: Relation
    relation_text: str = ""
    parent_name: str
    national_id: str
    email: str
    phone: str


class PaperApplicationEnteredData(Model):
    """An application that came on paper. Binding checks it like any other.

    It answers with BindingSubmitted, or with PaperApplicationRejected that says what is wrong.
    """

    school_id: SchoolId
    student_id: StudentId
    entered_by: str = Field(description="The administrator's id in the roster.")
    language: Language = Field(description="In which the parent is written to.")
    statement_version: str = Field(description="The version of the data statement on the paper.")
    signed_on: date = Field(description="The day on the paper.")
    for_binding: Sealed = ""


class PaperApplicationEntered(Event):
    """An administrator entered an application that came on paper. Subject: the entry."""

    TYPE: ClassVar[str] = "kinbind.review.paper-application-entered.v1"
    type: Literal["kinbind.review.paper-application-entered.v1"]
    data: PaperApplicationEnteredData


class WaitingClass(Model):
    """How many applications of a class wait."""

    class_name: str
    waiting: int


class ReviewerToRemind(Model):
    """For notify: who is told, and what waits. No child and no parent is named in a mail to a school's mailbox."""

    email: str
    name: str
    classes: list[WaitingClass]


class ReviewReminderDueData(Model):
    """Somebody who reviews is to be told what waits.

    ``digest``: once a day, all that waits. ``reminder``: what has waited too long, to its teacher. ``escalation``: what
    has waited longer still, to the school's administrator.
    """

    kind: Literal["digest", "reminder", "escalation"] = Field(description="Which of the three it is.")
    day: date = Field(description="In Taipei. One of each kind a reviewer and day.")
    language: ToldIn
    waiting: int = Field(ge=1, description="Applications, and objections.")
    oldest_days: int = Field(
        ge=0,
        description="How many whole days the oldest application has waited; the oldest objection, if there is none.",
    )
    objections: int = Field(default=0, ge=0, description="How many of them are guardians' objections; in a digest.")
    objections_since: AwareDatetime | None = Field(default=None, description="When the oldest of those was sent.")
    for_notify: Sealed = ""


class ReviewReminderDue(Event):
    """A teacher or administrator is to be told what waits. Subject: the teacher."""

    TYPE: ClassVar[str] = "kinbind.review.reminder-due.v1"
    type: Literal["kinbind.review.reminder-due.v1"]
    data: ReviewReminderDueData


# --- other guardians, objections, the end of an account ---


class GuardianToTell(Addressee):
    """For notify: a guardian of the child, and who was bound after them. Never a contact, never an ID number."""

    guardian_name_masked: str = Field(description="林○芬: who shares a child knows who that is.")
    relation: Relation
    relation_text: str = ""


class GuardianBoundData(Model):
    """Somebody was bound to a child that had a guardian already, who is told."""

    binding_id: UUID = Field(description="The new guardian's.")
    language: ToldIn
    for_notify: Sealed = ""


class GuardianBound(Event):
    """Another guardian was bound to a child. Subject: the binding of the guardian who is told."""

    TYPE: ClassVar[str] = "kinbind.binding.guardian-bound.v1"
    type: Literal["kinbind.binding.guardian-bound.v1"]
    data: GuardianBoundData


class ObjectionToReview(Model):
    """For review: what the guardian who objects says."""

    reason: str


class GuardianObjectedData(Model):
    """A bound guardian asks the school to look at another one of the same child."""

    binding_id: UUID = Field(description="Of the guardian who is objected to.")
    objector_binding_id: UUID = Field(description="Of the guardian who objects.")
    submitted_at: AwareDatetime = Field(description="When the objection was sent.")
    for_review: Sealed = ""


class GuardianObjected(Event):
    """A guardian objected to another one. Subject: the objection."""

    TYPE: ClassVar[str] = "kinbind.binding.guardian-objected.v1"
    type: Literal["kinbind.binding.guardian-objected.v1"]
    data: GuardianObjectedData


class ObjectionAnswer(Model):
    """For binding: what the school writes to the guardian who objected."""

    note: str = Field(max_length=1000)


class ObjectionAnsweredData(Model):
    """The school's administrator has dealt with an objection; the guardian who was objected to stays bound."""

    decided_by: str = Field(description="The administrator's id in the roster.")
    for_binding: Sealed = ""


class ObjectionAnswered(Event):
    """An administrator answered an objection. Subject: the objection."""

    TYPE: ClassVar[str] = "kinbind.review.objection-answered.v1"
    type: Literal["kinbind.review.objection-answered.v1"]
    data: ObjectionAnsweredData


class ObjectionOutcome(Addressee):
    """For notify: who objected, and the school's note; empty where it unbound the other guardian."""

    note: str = ""


class ObjectionClosedData(Model):
    """An objection waits for nobody any more.

    ``answered``: the school has written back. ``unbound``: the other guardian is no longer bound. ``withdrawn``: who
    objected has no account any more; nobody is written to then.
    """

    binding_id: UUID = Field(description="Of the guardian who was objected to.")
    outcome: Literal["answered", "unbound", "withdrawn"] = Field(description="How it ended.")
    language: ToldIn
    for_notify: Sealed = ""


class ObjectionClosed(Event):
    """An objection was closed. Subject: the objection."""

    TYPE: ClassVar[str] = "kinbind.binding.objection-closed.v1"
    type: Literal["kinbind.binding.objection-closed.v1"]
    data: ObjectionClosedData


class AccountHolder(Model):
    """For notify: whose account it is, or was."""

    email: str
    parent_name: str


class AccountDeletionAskedData(Model):
    """A parent asked for the account to be deleted; until then it can be taken back."""

    language: ToldIn
    due_at: AwareDatetime = Field(description="When the account is deleted.")
    for_notify: Sealed = ""


class AccountDeletionAsked(Event):
    """The deletion of an account was asked for. Subject: the account."""

    TYPE: ClassVar[str] = "kinbind.binding.account-deletion-asked.v1"
    type: Literal["kinbind.binding.account-deletion-asked.v1"]
    data: AccountDeletionAskedData


class ForgottenBinding(Model):
    """A binding whose parent is forgotten, in the version in which it ended."""

    id: UUID
    version: int


class PersonForgottenData(Model):
    """What was known of a parent has been erased; whoever holds a part of it erases that too.

    Ids, states and times stay. ``for_notify`` is the last letter; empty where nobody is written to.
    """

    bindings: list[ForgottenBinding] = Field(description="Every binding of this parent, each with its id and version.")
    application_ids: list[UUID] = Field(description="Every application of this parent.")
    objection_ids: list[UUID] = Field(default=[], description="Every objection of this parent.")
    language: ToldIn
    for_notify: Sealed = ""


class PersonForgotten(Event):
    """A parent was forgotten: the account was deleted. Subject: the account."""

    TYPE: ClassVar[str] = "kinbind.binding.person-forgotten.v1"
    type: Literal["kinbind.binding.person-forgotten.v1"]
    data: PersonForgottenData


#: Every event, and the services that hear it.
HEARD_BY: dict[type[Event], tuple[str, ...]] = {
    CodeIssued: ("notify",),
    ApplicationSubmitted: ("notify",),
    BindingSubmitted: ("review",),
    BindingApproved: ("review", "notify"),
    BindingRefused: ("review", "notify"),
    BindingWithdrawn: ("review", "notify"),
    BindingRevoked: ("review", "notify"),
    BindingLapsed: ("review",),
    BindingResumed: ("review",),
    PaperApplicationRejected: ("review",),
    AccountOpened: ("notify",),
    AccountActivityNoted: ("notify",),
    SchoolUpdated: ("review",),
    ClassUpdated: ("review",),
    ClassRosterUpdated: ("review",),
    TeacherUpdated: ("review",),
    DecisionMade: ("binding",),
    UnbindingDecided: ("binding",),
    PaperApplicationEntered: ("binding",),
    ReviewReminderDue: ("notify",),
    GuardianBound: ("notify",),
    GuardianObjected: ("review",),
    ObjectionAnswered: ("binding",),
    ObjectionClosed: ("review", "notify"),
    AccountDeletionAsked: ("notify",),
    PersonForgotten: ("review", "notify"),
    CodeDisowned: ("otp",),
    NoticeDisowned: ("review",),
}
EVENTS = tuple(HEARD_BY)
