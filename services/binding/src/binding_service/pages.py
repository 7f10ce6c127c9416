"""The parents' pages: server-rendered, a thin door to the same use cases as the API.

A form that is refused is shown again with what was typed and a message at each field; one that is accepted answers
with a redirect (303), so that going back or reloading sends nothing twice.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, cast
from urllib.parse import quote
from uuid import UUID, uuid4

from starlette.responses import RedirectResponse
from starlette.routing import Route

from binding_service import id_numbers, labels, messages
from binding_service.accounts import use_cases as accounts
from binding_service.applications import domain
from binding_service.applications import use_cases as applications
from binding_service.applications.use_cases import StudentForm
from binding_service.doors import (
    ATTEMPT_COOKIE,
    SESSION_COOKIE,
    binding_of,
    client_address,
    cookie_name,
    delete_cookie,
    request_id_of,
    session_of,
    set_cookie,
)
from binding_service.errors import (
    BindingError,
    InvalidFieldsError,
    NoAttemptError,
    NotFoundError,
    NotPendingError,
    NotSignedInError,
    PasswordChangeDueError,
    StepMissingError,
)
from binding_service.logins import use_cases as logins
from binding_service.statements import statement
from shared.contacts import mask_email, mask_phone
from shared.web.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session
    from shared.events import Channel, Language

    Page = Callable[[Request], Awaitable[Response]]
    SignedInPage = Callable[[Request, Session], Awaitable[Response]]

PAGES = Pages(
    "binding_service",
    labels=labels,
    mask_id=id_numbers.mask,
    mask_name=domain.mask_name,
    mask_email=mask_email,
    mask_phone=mask_phone,
)
#: Where the first step that is not complete is completed.
STEP_PAGES = {
    "students": "/students",
    "consent": "/consent",
    "parent": "/parent",
    "email_proof": "/parent/email-code",
}
CONTACT_FIELDS = ("channel", "email", "phone")
STUDENT_FIELDS = ("relation", "relation_text", "level", "national_id", "school_id")
LANGUAGE: Language = "zh-TW"


def routes() -> list[Route]:
    """Every page."""
    return [
        Route("/", start),
        Route("/codes", ask_code, methods=["POST"]),
        Route("/code", code, methods=["GET"]),
        Route("/code", redeem, methods=["POST"]),
        Route("/code/again", ask_again, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Route("/students", students),
        Route("/students/new", new_student, methods=["GET"]),
        Route("/students/new", add_student, methods=["POST"]),
        Route("/students/{student_id}/remove", remove_student, methods=["POST"]),
        Route("/consent", consent, methods=["GET"]),
        Route("/consent", accept, methods=["POST"]),
        Route("/leave", leave, methods=["POST"]),
        Route("/parent", parent, methods=["GET"]),
        Route("/parent", fill_parent, methods=["POST"]),
        Route("/parent/id", name_parent, methods=["GET", "POST"]),
        Route("/parent/email-code", email_code, methods=["GET"]),
        Route("/parent/email-code", prove_email, methods=["POST"]),
        Route("/parent/email-code/again", send_email_code, methods=["POST"]),
        Route("/check", check, methods=["GET"]),
        Route("/check", submit, methods=["POST"]),
        Route("/progress", progress),
        Route("/bindings/{binding_id:uuid}/withdraw", withdraw, methods=["GET", "POST"]),
        Route("/bindings/clear", clear_all, methods=["GET", "POST"]),
        Route("/account/sign-in", sign_in, methods=["GET", "POST"]),
        Route("/account/password", password, methods=["GET", "POST"]),
        Route("/account", account),
    ]


def error_page(request: Request, error: BindingError, status: int, headers: dict[str, str]) -> Response:
    """A page for an error that belongs to no field, or a redirect to where it is mended."""
    if isinstance(error, StepMissingError):
        return _to(STEP_PAGES[error.step])
    if isinstance(error, NotSignedInError):
        return _to("/account/sign-in" if request.url.path.startswith("/account") else "/?expired=1")
    if isinstance(error, NoAttemptError):
        return _to("/?expired=1")
    if isinstance(error, PasswordChangeDueError):
        return _to("/account/password")
    return PAGES.render(
        "error.html", status=status, headers=headers, code=error.code, message=messages.message(error), signed_in=False
    )


def signed_in(page: SignedInPage) -> Page:
    """The page is for who is signed in; another is brought to the start, and back when signed in again."""

    @wraps(page)
    async def guarded(request: Request) -> Response:
        session = await session_of(request)
        if session.password_change_due and request.url.path not in {"/account/password", "/sign-out"}:
            raise PasswordChangeDueError
        return await page(request, session)

    return guarded


# --- login by code ---


async def start(request: Request) -> Response:
    """Step 1: choose e-mail or phone. Who is signed in already goes on where they were."""
    try:
        session = await session_of(request)
    except NotSignedInError:
        return _start_page(request, dict.fromkeys(CONTACT_FIELDS, ""), {})
    return _to(await _landing(request, session))


async def ask_code(request: Request) -> Response:
    """Have a code sent to the contact."""
    form = await _form(request)
    typed: dict[str, str] = {name: form.get(name, "") for name in CONTACT_FIELDS}
    channel = typed["channel"]
    if channel not in {"email", "sms"}:
        return _start_page(request, typed, {"channel": messages.text("choose.channel")}, 422)
    contact = typed["email" if channel == "email" else "phone"]
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    return await _ask(request, token, cast("Channel", channel), contact, typed)


async def ask_again(request: Request) -> Response:
    """Have another code sent to the same contact."""
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    attempt = await logins.attempt(binding_of(request), token)
    return await _ask(request, token, cast("Channel", attempt.channel), attempt.contact, {})


async def _ask(request: Request, token: str | None, channel: Channel, contact: str, typed: dict[str, str]) -> Response:
    request_id = uuid4()
    try:
        token, _ = await logins.ask_code(
            binding_of(request), token, channel, contact, client_address(request), LANGUAGE, request_id
        )
    except BindingError as error:
        if not typed:
            return await _code_page(request, {"again": messages.message(error)}, error.status, error.retry_after)
        fields = messages.field_messages(error) or {"email" if channel == "email" else "phone": messages.message(error)}
        return _start_page(request, typed, fields, error.status, error.retry_after)
    response = _to("/code")
    set_cookie(request, response, ATTEMPT_COOKIE, token)
    return response


def _start_page(
    request: Request, typed: dict[str, str], errors: dict[str, str], status: int = 200, retry_after: int | None = None
) -> Response:
    expired = "expired" in request.query_params
    return PAGES.render(
        "start.html",
        status=status,
        headers=_retry(retry_after),
        typed=typed,
        errors=errors,
        expired=expired,
        signed_in=False,
    )


async def code(request: Request) -> Response:
    """Type the code that came."""
    return await _code_page(request, {}, 200, None)


async def redeem(request: Request) -> Response:
    """Prove the contact by its code."""
    form = await _form(request)
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    request_id = request_id_of(f"sessions/{token}", form.get("request_id"))
    try:
        session_token, session = await logins.redeem(binding_of(request), token, form.get("code", ""), request_id)
    except NoAttemptError:
        raise
    except BindingError as error:
        fields = messages.field_messages(error) or {"code": messages.message(error)}
        return await _code_page(request, fields, error.status, error.retry_after)
    response = _to(await _landing(request, session))
    set_cookie(request, response, SESSION_COOKIE, session_token)
    return response


async def _code_page(request: Request, errors: dict[str, str], status: int, retry_after: int | None) -> Response:
    attempt = await logins.attempt(binding_of(request), request.cookies.get(cookie_name(request, ATTEMPT_COOKIE)))
    mask = mask_email if attempt.channel == "email" else mask_phone
    return PAGES.render(
        "code.html",
        status=status,
        headers=_retry(retry_after),
        attempt=attempt,
        contact=mask(attempt.contact),
        request_id=uuid4(),
        errors=errors,
        signed_in=False,
    )


@signed_in
async def sign_out(request: Request, session: Session) -> Response:
    """End the session."""
    await logins.sign_out(binding_of(request), session)
    return _goodbye(request, left=False)


# --- step 2: the students ---


@signed_in
async def students(request: Request, session: Session) -> Response:
    """Confirm the children, add another, take one out."""
    binding = binding_of(request)
    draft = await applications.draft_of(binding, session)
    if not draft.students:
        return _to("/students/new")
    named = await applications.students_of(binding, draft)
    can_add = len(named) < binding.settings.students_per_application
    return _render(session, "students.html", students=named, can_add=can_add)


@signed_in
async def new_student(request: Request, session: Session) -> Response:
    """Name a child."""
    return await _student_page(request, session, dict.fromkeys(STUDENT_FIELDS, ""), {})


@signed_in
async def add_student(request: Request, session: Session) -> Response:
    """Add the child, or only check its ID number (驗證)."""
    form = await _form(request)
    typed = {key: form.get(key, "") for key in STUDENT_FIELDS}
    try:
        if form.get("action") == "check_id":
            applications.check_id_number(typed["national_id"], "national_id")
            return await _student_page(request, session, typed, {}, checked=True)
        await applications.add_student(binding_of(request), session, StudentForm(**typed), client_address(request))
    except BindingError as error:
        return await _student_page(request, session, typed, _at(error, "national_id"), error)
    return _to("/students")


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
    draft = await applications.draft_of(binding, session)
    schools = await applications.schools(binding)
    by_level = [(level, [school for school in schools if school["level"] == level]) for level in domain.LEVELS]
    return _render(
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
    await applications.remove_student(binding_of(request), session, request.path_params["student_id"])
    return _to("/students")


# --- step 3: the consent ---


@signed_in
async def consent(request: Request, session: Session) -> Response:
    """Read the statement."""
    draft = await applications.draft_of(binding_of(request), session)
    if not draft.students:
        raise StepMissingError(step="students")
    agreed = draft.consent is not None and draft.consent.version == statement().version
    return _render(session, "consent.html", statement=statement(), agreed=agreed, errors={})


@signed_in
async def accept(request: Request, session: Session) -> Response:
    """Accept the statement."""
    form = await _form(request)
    try:
        if form.get("agree") != "yes":
            raise InvalidFieldsError({"agree": "consent_required"})
        await applications.accept_statement(
            binding_of(request), session, form.get("version", ""), client_address(request)
        )
    except BindingError as error:
        errors = _at(error, "agree")
        return _render(session, "consent.html", error, statement=statement(), agreed=False, errors=errors)
    return _to("/parent")


@signed_in
async def leave(request: Request, session: Session) -> Response:
    """The way out for who does not agree: the draft is deleted, the session ends."""
    await applications.abandon(binding_of(request), session)
    await logins.sign_out(binding_of(request), session)
    return _goodbye(request, left=True)


# --- step 4: the parent ---


@signed_in
async def name_parent(request: Request, session: Session) -> Response:
    """Say who the parent is, by the ID number (驗證)."""
    typed, errors, refused = "", {}, None
    if request.method == "POST":
        typed = (await _form(request)).get("parent_id", "")
        try:
            await applications.name_parent(binding_of(request), session, typed)
        except BindingError as error:
            errors, refused = _at(error, "parent_id"), error
        else:
            return _to("/parent")
    return _render(session, "parent_id.html", refused, typed=typed, errors=errors)


@signed_in
async def parent(request: Request, session: Session) -> Response:
    """The parent's own data; with an account, the account's."""
    return await _parent_page(request, session, {}, {})


@signed_in
async def fill_parent(request: Request, session: Session) -> Response:
    """Keep the parent's data; an e-mail that is not proven yet gets a code."""
    form = await _form(request)
    typed = {key: form.get(key, "") for key in ("name", "email", "phone")}
    binding = binding_of(request)
    try:
        if await applications.fill_parent(binding, session, **typed):
            return _to("/check")
        await applications.send_email_code(binding, session, client_address(request), LANGUAGE, uuid4())
    except BindingError as error:
        if isinstance(error, StepMissingError):
            raise
        return await _parent_page(request, session, typed, _at(error, "email"), error)
    return _to("/parent/email-code")


async def _parent_page(
    request: Request,
    session: Session,
    typed: dict[str, str],
    errors: dict[str, str],
    error: BindingError | None = None,
) -> Response:
    binding = binding_of(request)
    draft = await applications.draft_of(binding, session)
    known = await applications.parent_of(binding, draft)
    if known is None:
        return _to("/parent/id")
    typed = typed or {
        "name": known.name,
        "email": known.email or (session.contact if session.channel == "email" else ""),
        "phone": known.phone or (session.contact if session.channel == "sms" else ""),
    }
    return _render(session, "parent.html", error, parent=known, typed=typed, errors=errors)


@signed_in
async def email_code(request: Request, session: Session) -> Response:
    """Type the code that went to the e-mail of the application."""
    return await _email_code_page(request, session, {})


@signed_in
async def send_email_code(request: Request, session: Session) -> Response:
    """Have another code sent to the e-mail of the application."""
    try:
        await applications.send_email_code(binding_of(request), session, client_address(request), LANGUAGE, uuid4())
    except BindingError as error:
        return await _email_code_page(request, session, _at(error, "again"), error)
    return _to("/parent/email-code")


@signed_in
async def prove_email(request: Request, session: Session) -> Response:
    """Prove the e-mail of the application."""
    form = await _form(request)
    request_id = request_id_of(f"proof/{session.id}", form.get("request_id"))
    try:
        await applications.prove_email(binding_of(request), session, form.get("code", ""), request_id)
    except BindingError as error:
        if isinstance(error, StepMissingError):
            raise
        return await _email_code_page(request, session, _at(error, "code"), error)
    return _to("/check")


async def _email_code_page(
    request: Request, session: Session, errors: dict[str, str], error: BindingError | None = None
) -> Response:
    draft = await applications.draft_of(binding_of(request), session)
    if draft.parent is None or draft.email_proof is None:
        raise StepMissingError(step="parent")
    email = mask_email(draft.email_proof.email)
    return _render(session, "email_code.html", error, email=email, request_id=uuid4(), errors=errors)


# --- check, sign, send ---


@signed_in
async def check(request: Request, session: Session) -> Response:
    """Everything once more, and the signature."""
    return await _check_page(request, session, "", {})


@signed_in
async def submit(request: Request, session: Session) -> Response:
    """Send the application."""
    form = await _form(request)
    typed = form.get("typed", "")
    try:
        signature = applications.parse_signature(form.get("strokes", ""), typed)
        # Hashed to one short form: the page made the key, but whoever sends it may have changed it.
        key = str(request_id_of("applications", form.get("key")))
        await applications.submit(binding_of(request), session, signature, key, LANGUAGE)
    except BindingError as error:
        if isinstance(error, StepMissingError):
            raise
        return await _check_page(request, session, typed, _at(error, "signature"), error)
    return _to("/progress")


async def _check_page(
    request: Request, session: Session, typed: str, errors: dict[str, str], error: BindingError | None = None
) -> Response:
    binding = binding_of(request)
    draft = await applications.draft_of(binding, session)
    missing = draft.missing(statement().version, session.contact)
    if missing:
        raise StepMissingError(step=missing)
    return _render(
        session,
        "check.html",
        error,
        students=await applications.students_of(binding, draft),
        parent=await applications.parent_of(binding, draft),
        key=draft.id,
        typed=typed,
        errors=errors,
    )


# --- after ---


@signed_in
async def progress(request: Request, session: Session) -> Response:
    """Every child and its state; what has been done and what comes next."""
    binding = binding_of(request)
    views = await applications.progress(binding, session)
    draft = await applications.draft_of(binding, session)
    return _render(session, "progress.html", bindings=views, has_draft=bool(draft.students))


@signed_in
async def withdraw(request: Request, session: Session) -> Response:
    """Withdraw one that waits; asked once."""
    binding, binding_id = binding_of(request), cast("UUID", request.path_params["binding_id"])
    if request.method == "GET":
        views = await applications.progress(binding, session)
        chosen = next((view for view in views if view.id == binding_id), None)
        if chosen is None:
            raise NotFoundError
        if chosen.state != "pending":
            raise NotPendingError
        return _render(session, "withdraw.html", view=chosen)
    await applications.withdraw(binding, session, binding_id)
    return _to("/progress")


@signed_in
async def clear_all(request: Request, session: Session) -> Response:
    """註銷全部紀錄; asked once."""
    binding = binding_of(request)
    if request.method == "GET":
        views = [view for view in await applications.progress(binding, session) if view.state != "approved"]
        return _render(session, "clear.html", bindings=views) if views else _to("/progress")
    await applications.clear_all(binding, session)
    return _to("/progress")


# --- the account ---


async def sign_in(request: Request) -> Response:
    """Sign in with e-mail and password."""
    if request.method == "GET":
        return PAGES.render("sign_in.html", login="", errors={}, signed_in=False)
    form = await _form(request)
    login = form.get("login", "")
    try:
        token, _ = await accounts.sign_in(binding_of(request), login, form.get("password", ""), client_address(request))
    except BindingError as error:
        return PAGES.render(
            "sign_in.html",
            status=error.status,
            headers=_retry(error.retry_after),
            login=login,
            errors={"login": messages.message(error)},
            signed_in=False,
        )
    response = _to("/account")
    set_cookie(request, response, SESSION_COOKIE, token)
    return response


@signed_in
async def password(request: Request, session: Session) -> Response:
    """Change the password; by force before anything else while the first one is in force."""
    if session.account_id is None:
        raise NotSignedInError
    errors: dict[str, str] = {}
    refused = None
    if request.method == "POST":
        form = await _form(request)
        try:
            await accounts.change_password(
                binding_of(request),
                session,
                form.get("current", ""),
                form.get("password", ""),
                form.get("repeated", ""),
            )
        except BindingError as error:
            errors, refused = _at(error, "password"), error
        else:
            return _to("/account")
    return _render(session, "password.html", refused, errors=errors, forced=session.password_change_due)


@signed_in
async def account(request: Request, session: Session) -> Response:
    """The account's children."""
    return _render(session, "account.html", children=await accounts.children(binding_of(request), session))


# --- helpers ---


async def _landing(request: Request, session: Session) -> str:
    if session.account_id:
        return "/account"
    return "/progress" if await applications.has_applications(binding_of(request), session) else "/students"


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; files are not fields."""
    form: FormData = await request.form(max_files=0, max_fields=50)
    return {key: value for key, value in form.items() if isinstance(value, str)}


def _render(session: Session, template: str, error: BindingError | None = None, **values: object) -> Response:
    """A page for somebody who is signed in; ``error`` gives it its status."""
    status = error.status if error else 200
    return PAGES.render(
        template,
        status=status,
        headers=_retry(error.retry_after if error else None),
        signed_in=True,
        by_password=session.account_id is not None,
        **values,
    )


def _at(error: BindingError, field: str) -> dict[str, str]:
    """The messages of an error at their fields; at ``field`` where it names none."""
    return messages.field_messages(error) or {field: messages.message(error)}


def _goodbye(request: Request, *, left: bool) -> Response:
    response = PAGES.render("goodbye.html", left=left, signed_in=False)
    delete_cookie(request, response, SESSION_COOKIE)
    delete_cookie(request, response, ATTEMPT_COOKIE)
    return response


def _to(path: str) -> Response:
    return RedirectResponse(quote(path, safe="/?=&"), 303)


def _retry(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"retry-after": str(seconds)}
