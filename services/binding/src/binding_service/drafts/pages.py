"""Steps 2 to 4: the students, the consent, the parent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from binding_service.doors import binding_of, client_address, request_id_of
from binding_service.drafts import domain
from binding_service.drafts import use_cases as drafts
from binding_service.drafts.use_cases import StudentForm
from binding_service.errors import BindingError, InvalidFieldsError, StepMissingError, TooSoonError
from binding_service.statements import statement
from binding_service.web import LANGUAGE, form_of, messages_at, render, signed_in, to
from shared.contacts import mask_email

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session

STUDENT_FIELDS = ("relation", "relation_text", "level", "national_id", "school_id")


@signed_in
async def students(request: Request, session: Session) -> Response:
    """Confirm the children, add another, take one out."""
    binding = binding_of(request)
    dropped = await drafts.drop_moved_students(binding, session)
    draft = await drafts.draft_of(binding, session)
    if not draft.students and not dropped:
        return to("/students/new")
    named = await drafts.students_of(binding, draft)
    can_add = len(named) < binding.settings.students_per_application
    return render(session, "students.html", students=named, can_add=can_add, dropped=dropped)


@signed_in
async def new_student(request: Request, session: Session) -> Response:
    """Name a child."""
    return await _student_page(request, session, dict.fromkeys(STUDENT_FIELDS, ""), {})


@signed_in
async def add_student(request: Request, session: Session) -> Response:
    """Add the child, or only check its ID number (驗證)."""
    form = await form_of(request)
    typed = {key: form.get(key, "") for key in STUDENT_FIELDS}
    try:
        if form.get("action") == "check_id":
            drafts.check_id_number(typed["national_id"], "national_id")
            return await _student_page(request, session, typed, {}, checked=True)
        await drafts.add_student(binding_of(request), session, StudentForm(**typed), client_address(request))
    except BindingError as error:
        return await _student_page(request, session, typed, messages_at(error, "national_id"), error)
    return to("/students")


async def _student_page(
    request: Request,
    session: Session,
    typed: dict[str, str],
    errors: dict[str, str],
    error: BindingError | None = None,
    *,
    checked: bool = False,
) -> Response:
    binding = binding_of(request)
    draft = await drafts.draft_of(binding, session)
    schools = await drafts.schools(binding)
    by_level = [(level, [school for school in schools if school["level"] == level]) for level in domain.LEVELS]
    return render(
        session,
        "student.html",
        error,
        typed=typed,
        errors=errors,
        schools=by_level,
        checked=checked,
        first=not draft.students,
        legal_representatives=domain.LEGAL_REPRESENTATIVES,
        guardians=domain.GUARDIANS,
    )


@signed_in
async def remove_student(request: Request, session: Session) -> Response:
    """Take a child out."""
    await drafts.remove_student(binding_of(request), session, request.path_params["student_id"])
    return to("/students")


# --- step 3: the consent ---


@signed_in
async def consent(request: Request, session: Session) -> Response:
    """Read the statement."""
    draft = await drafts.draft_of(binding_of(request), session)
    if not draft.students:
        raise StepMissingError(step="students")
    agreed = draft.consent is not None and draft.consent.version == statement().version
    return render(session, "consent.html", statement=statement(), agreed=agreed, errors={})


@signed_in
async def accept(request: Request, session: Session) -> Response:
    """Accept the statement."""
    form = await form_of(request)
    try:
        if form.get("agree") != "yes":
            raise InvalidFieldsError({"agree": "consent_required"})
        await drafts.accept_statement(binding_of(request), session, form.get("version", ""), client_address(request))
    except BindingError as error:
        errors = messages_at(error, "agree")
        return render(session, "consent.html", error, statement=statement(), agreed=False, errors=errors)
    return to("/parent")


# --- step 4: the parent ---


@signed_in
async def name_parent(request: Request, session: Session) -> Response:
    """Say who the parent is, by the ID number (驗證)."""
    typed, errors, refused = "", {}, None
    if request.method == "POST":
        typed = (await form_of(request)).get("parent_id", "")
        try:
            await drafts.name_parent(binding_of(request), session, typed, client_address(request))
        except BindingError as error:
            errors, refused = messages_at(error, "parent_id"), error
        else:
            return to("/parent")
    return render(session, "parent_id.html", refused, typed=typed, errors=errors)


@signed_in
async def parent(request: Request, session: Session) -> Response:
    """The parent's own data; with an account, the account's."""
    return await _parent_page(request, session, {}, {})


@signed_in
async def fill_parent(request: Request, session: Session) -> Response:
    """Keep the parent's data; an e-mail that is not proven yet gets a code."""
    form = await form_of(request)
    typed = {key: form.get(key, "") for key in ("name", "email", "phone")}
    binding = binding_of(request)
    try:
        if await drafts.fill_parent(binding, session, **typed):
            return to("/check")
        await drafts.send_email_code(binding, session, client_address(request), LANGUAGE, uuid4())
    except TooSoonError:
        # The code is on its way already: back and forward between the two pages must not be a dead end.
        return to("/parent/email-code")
    except BindingError as error:
        if isinstance(error, StepMissingError):
            raise
        return await _parent_page(request, session, typed, messages_at(error, "email"), error)
    return to("/parent/email-code")


async def _parent_page(
    request: Request,
    session: Session,
    typed: dict[str, str],
    errors: dict[str, str],
    error: BindingError | None = None,
) -> Response:
    binding = binding_of(request)
    draft = await drafts.draft_of(binding, session)
    known = await drafts.parent_of(binding, draft)
    if known is None:
        return to("/parent/id")
    typed = typed or {
        "name": known.name,
        "email": known.email or (session.contact if session.channel == "email" else ""),
        "phone": known.phone or (session.contact if session.channel == "sms" else ""),
    }
    return render(session, "parent.html", error, parent=known, typed=typed, errors=errors)


@signed_in
async def email_code(request: Request, session: Session) -> Response:
    """Type the code that went to the e-mail of the application."""
    return await _email_code_page(request, session, {})


@signed_in
async def send_email_code(request: Request, session: Session) -> Response:
    """Have another code sent to the e-mail of the application."""
    try:
        await drafts.send_email_code(binding_of(request), session, client_address(request), LANGUAGE, uuid4())
    except BindingError as error:
        return await _email_code_page(request, session, messages_at(error, "again"), error)
    return to("/parent/email-code")


@signed_in
async def prove_email(request: Request, session: Session) -> Response:
    """Prove the e-mail of the application."""
    form = await form_of(request)
    request_id = request_id_of(f"proof/{session.id}", form.get("request_id"))
    try:
        await drafts.prove_email(binding_of(request), session, form.get("code", ""), request_id)
    except BindingError as error:
        if isinstance(error, StepMissingError):
            raise
        return await _email_code_page(request, session, messages_at(error, "code"), error)
    return to("/check")


async def _email_code_page(
    request: Request, session: Session, errors: dict[str, str], error: BindingError | None = None
) -> Response:
    draft = await drafts.draft_of(binding_of(request), session)
    if draft.parent is None or draft.email_proof is None:
        raise StepMissingError(step="parent")
    email = mask_email(draft.email_proof.email)
    return render(session, "email_code.html", error, email=email, request_id=uuid4(), errors=errors)
