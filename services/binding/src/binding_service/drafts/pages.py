"""Steps 2 to 4: the students, the consent, the parent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from binding_service.applications import use_cases as applications
from binding_service.doors import binding_of, client_address, request_id_of
from binding_service.drafts import domain, limits
from binding_service.drafts import use_cases as drafts
from binding_service.drafts.use_cases import StudentForm
from binding_service.errors import InvalidFieldsError, NotFoundError, StepMissingError, TooSoonError
from binding_service.statements import statement
from binding_service.steps import Step
from binding_service.web import render, signed_in, to
from shared.contacts import mask_email
from shared.languages import current_language

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.drafts.draft import Draft, NewStudent
    from binding_service.logins.domain import Session
    from binding_service.steps import Outcome, Visit


@signed_in
async def students(request: Request, session: Session) -> Response:
    """Confirm the children, add another, take one out."""
    binding = binding_of(request)
    dropped = await drafts.drop_moved_students(binding, session)
    draft = await drafts.draft_of(binding, session)
    if not draft.students and not dropped:
        # Who comes back from a form whose answer was lost has sent it already.
        sent = draft.adding is None and await applications.has_applications(binding, session)
        return to("/progress" if sent else "/students/new")
    named = await drafts.students_of(binding, draft)
    most = binding.settings.students_per_application
    return render(
        session, "students.html", students=named, most=most, dropped=dropped, unfinished=draft.adding is not None
    )


@signed_in
async def new_student(request: Request, session: Session) -> Response:
    """Name a child: the first question that has no answer yet."""
    draft = await drafts.draft_of(binding_of(request), session)
    return to(_first_open_question(draft.adding))


@signed_in
async def remove_student(request: Request, session: Session) -> Response:
    """Take a child out."""
    await drafts.remove_student(binding_of(request), session, request.path_params["student_id"])
    return to("/students")


def _first_open_question(adding: NewStudent | None) -> str:
    for field, page in (("relation", "relation"), ("level", "level"), ("national_id", "id")):
        if not getattr(adding, field, ""):
            return f"/students/new/{page}"
    return "/students/new/school"


class RelationStep(Step):
    """What is the parent to the child?"""

    name = "relation"
    template = "relation.html"
    fields = ("relation", "relation_text")
    error_field = "relation"

    async def back(self, visit: Visit) -> str | None:
        """The list, the account, or the progress, where there is one."""
        if visit.draft.students:
            return "/students"
        if visit.session.account_id is not None:
            return "/account"
        return "/progress" if await applications.has_applications(visit.binding, visit.session) else None

    async def known(self, visit: Visit) -> dict[str, str]:
        """What was chosen before."""
        adding = visit.draft.adding
        return {"relation": adding.relation, "relation_text": adding.relation_text} if adding else {}

    async def values(self, visit: Visit, typed: dict[str, str]) -> dict[str, object]:
        """The two groups of relations."""
        return {
            "first": not visit.draft.students,
            "legal_representatives": domain.LEGAL_REPRESENTATIVES,
            "guardians": domain.GUARDIANS,
        }

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Keep it."""
        await drafts.describe_new_student(visit.binding, visit.session, **typed)
        return "/students/new/level"


class OtherRelationStep(RelationStep):
    """What is the parent to a child that is on the list already?"""

    name = "other_relation"

    def kept_as(self, request: Request) -> str:
        """What was typed about one child says nothing about another."""
        return f"{self.name}:{request.path_params['student_id']}"

    async def known(self, visit: Visit) -> dict[str, str]:
        """What was chosen before."""
        student_id = visit.request.path_params["student_id"]
        student = next((student for student in visit.draft.students if student.student_id == student_id), None)
        if student is None:
            raise NotFoundError
        return {"relation": student.relation, "relation_text": student.relation_text}

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Change it."""
        student_id = visit.request.path_params["student_id"]
        await drafts.change_relation(visit.binding, visit.session, student_id, **typed)
        return "/students"


class LevelStep(Step):
    """Which level of school does the child go to?"""

    name = "level"
    template = "level.html"
    previous = "/students/new/relation"
    fields = ("level",)
    error_field = "level"

    async def known(self, visit: Visit) -> dict[str, str]:
        """What was chosen before."""
        return {"level": visit.draft.adding.level} if visit.draft.adding else {}

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Keep it."""
        await drafts.describe_new_student(visit.binding, visit.session, **typed)
        return "/students/new/id"


class StudentIdStep(Step):
    """The child's ID number, with 驗證."""

    name = "student_id"
    template = "student_id.html"
    previous = "/students/new/level"
    fields = ("national_id",)
    error_field = "national_id"

    async def known(self, visit: Visit) -> dict[str, str]:
        """What was typed before."""
        return {"national_id": visit.draft.adding.national_id} if visit.draft.adding else {}

    async def values(self, visit: Visit, typed: dict[str, str]) -> dict[str, object]:
        """Nothing was verified yet."""
        return {"checked": False}

    async def act(self, visit: Visit, action: str, typed: dict[str, str]) -> Outcome:
        """驗證: only check its form and check digit."""
        drafts.check_id_number(typed["national_id"], "national_id")
        return {"checked": True}

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Keep it."""
        await drafts.describe_new_student(visit.binding, visit.session, **typed)
        return "/students/new/school"


class SchoolStep(Step):
    """Which school? With the answer the child is looked up."""

    name = "school"
    template = "school.html"
    previous = "/students/new/id"
    fields = ("school_id", "wanted")
    error_field = "school_id"

    async def known(self, visit: Visit) -> dict[str, str]:
        """Nothing; but the questions before it have to be answered."""
        page = _first_open_question(visit.draft.adding)
        if page != "/students/new/school":
            raise StepMissingError(step="students")
        return {}

    async def values(self, visit: Visit, typed: dict[str, str]) -> dict[str, object]:
        """The schools of the level that was chosen, those first that match what is searched for."""
        adding = visit.draft.adding
        assert adding is not None  # noqa: S101 - see known
        schools = [school for school in await drafts.schools(visit.binding) if school["level"] == adding.level]
        found = [school for school in schools if domain.school_matches(school["name"], typed["wanted"])]
        left = await limits.matches_left(visit.binding, visit.session, client_address(visit.request))
        return {"adding": adding, "schools": found, "all_schools": len(schools), "tries_left": left}

    async def act(self, visit: Visit, action: str, typed: dict[str, str]) -> Outcome:
        """Search: only show the schools that match."""
        return {}

    async def take(self, visit: Visit, typed: dict[str, str]) -> Outcome:
        """Look the child up, and add it. Enter in the search field searches."""
        if typed["wanted"] and not typed["school_id"]:
            return {}
        adding = visit.draft.adding
        assert adding is not None  # noqa: S101 - see known
        form = StudentForm(adding.relation, adding.relation_text, adding.level, adding.national_id, typed["school_id"])
        await drafts.add_student(visit.binding, visit.session, form, client_address(visit.request))
        return "/students"


def _need_students(draft: Draft) -> None:
    """Raises StepMissingError where no child was named yet, or all were sent."""
    if not draft.students:
        raise StepMissingError(step="students")


class ConsentStep(Step):
    """The statement, and whether the parent agrees."""

    name = "consent"
    template = "consent.html"
    previous = "/students"
    fields = ("agree", "version")
    error_field = "agree"

    async def known(self, visit: Visit) -> dict[str, str]:
        """The version that was accepted before."""
        _need_students(visit.draft)
        consent = visit.draft.consent
        return {"agree": "yes", "version": consent.version} if consent else {}

    async def values(self, visit: Visit, typed: dict[str, str]) -> dict[str, object]:
        """The statement, whether it is a new version of one that was accepted, and whether the box is ticked."""
        consent = visit.draft.consent
        current = statement(language=current_language())
        return {
            "statement": current,
            "renewed": consent is not None and consent.version != current.version,
            # A tick is about the version under which it was made.
            "agrees": typed["agree"] == "yes" and typed["version"] == current.version,
        }

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Accept it."""
        if typed["agree"] != "yes":
            raise InvalidFieldsError({"agree": "consent_required"})
        address = client_address(visit.request)
        await drafts.accept_statement(visit.binding, visit.session, typed["version"], address)
        return "/parent"


class ParentIdStep(Step):
    """Who the parent is, by the ID number (驗證)."""

    name = "parent_id"
    template = "parent_id.html"
    previous = "/consent"
    fields = ("parent_id",)
    error_field = "parent_id"

    async def known(self, visit: Visit) -> dict[str, str]:
        """Nothing: an ID number is not shown again. Who is signed in to an account is asked for none."""
        _need_students(visit.draft)
        if visit.session.account_id is not None:
            raise StepMissingError(step="parent")
        return {}

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Keep it; a person who has an account is known by it."""
        address = client_address(visit.request)
        await drafts.name_parent(visit.binding, visit.session, typed["parent_id"], address)
        return "/parent"


class ParentStep(Step):
    """The parent's own data; with an account or an earlier application, what stands there."""

    name = "parent"
    template = "parent.html"
    previous = "/consent"
    fields = ("name", "email", "phone")
    error_field = "email"

    async def known(self, visit: Visit) -> dict[str, str]:
        """What was typed before; the contact of this login stands in for what was not."""
        _need_students(visit.draft)
        parent, session = visit.draft.parent, visit.session
        if parent is None:
            raise StepMissingError(step="parent_id")
        return {
            "name": parent.name,
            "email": parent.email or (session.contact if session.channel == "email" else ""),
            "phone": parent.phone or (session.contact if session.channel == "sms" else ""),
        }

    async def values(self, visit: Visit, typed: dict[str, str]) -> dict[str, object]:
        """The parent as far as it is known."""
        parent = await drafts.parent_of(visit.binding, visit.draft)
        assert parent is not None  # noqa: S101 - see known
        return {"parent": parent, "step_form": not parent.is_known}

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Keep it; an e-mail that is not proven yet gets a code."""
        if await drafts.confirm_parent(visit.binding, visit.session):
            return "/check"
        if await drafts.fill_parent(visit.binding, visit.session, **typed):
            return "/check"
        try:
            await drafts.send_email_code(
                visit.binding, visit.session, client_address(visit.request), current_language(), uuid4()
            )
        except TooSoonError:
            # The code is on its way already: back and forward between the two pages must not be a dead end.
            return "/parent/email-code"
        return "/parent/email-code"


class EmailCodeStep(Step):
    """The code that went to the e-mail of the application."""

    name = "email_code"
    template = "email_code.html"
    previous = "/parent"
    fields = ("code", "request_id")
    error_field = "code"
    keeps = False

    async def known(self, visit: Visit) -> dict[str, str]:
        """Nothing; but a code has to be on its way."""
        parent, proof = visit.draft.parent, visit.draft.email_proof
        if parent is None or proof is None or proof.email != parent.email:
            raise StepMissingError(step="parent")
        return {}

    async def values(self, visit: Visit, typed: dict[str, str]) -> dict[str, object]:
        """Where the code went, how long it lives, when there may be another."""
        # Read anew: a code that was just tried has fewer tries left.
        proof = (await drafts.draft_of(visit.binding, visit.session)).email_proof
        if proof is None:
            raise StepMissingError(step="parent")
        expires_in, resend_in = await drafts.seconds_until(visit.binding, proof.expires_at, proof.resend_at)
        return {
            "email": mask_email(proof.email),
            "proof": proof,
            "expires_in": expires_in,
            "resend_in": resend_in,
            "request_id": uuid4(),
        }

    async def act(self, visit: Visit, action: str, typed: dict[str, str]) -> Outcome:
        """Send another code."""
        await drafts.send_email_code(
            visit.binding, visit.session, client_address(visit.request), current_language(), uuid4()
        )
        return "/parent/email-code"

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Prove the e-mail."""
        request_id = request_id_of(f"proof/{visit.session.id}", typed["request_id"])
        await drafts.prove_email(visit.binding, visit.session, typed["code"], request_id)
        return "/check"
