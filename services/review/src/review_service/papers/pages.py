"""The administrator's pages for applications that came on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.routing import Route

from review_service.applications import live
from review_service.errors import PaperProblemsError
from review_service.papers import use_cases
from review_service.papers.domain import RELATIONS
from review_service.web import FORM, administrator, fields, known_uuid, see
from review_service.words import _
from shared.languages import NAMES, marked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site

MESSAGES = {
    "required": marked("請填寫這一欄。"),
    "relation_text": marked("請填寫與學生的關係（40 字以內）。"),
    "email_differs": marked("兩次輸入的電子郵件不同，請再核對紙本。"),
    "bad_day": marked("請填寫紙本上的日期，不能晚於今天。"),
    "in_future": marked("請填寫紙本上的日期，不能晚於今天。"),
    "not_administrator": marked("只有學校管理者可以登錄紙本申請。"),
    "no_match": marked("學校目前沒有這位學生，請重新選擇。"),
    "bad_name": marked("請填寫姓名（50 字以內）。"),
    "bad_id_number": marked("身分證字號不正確，請再核對紙本。"),
    "bad_email": marked("電子郵件的格式不正確，請再核對紙本。"),
    "email_taken": marked("這個電子郵件已是另一位家長的帳號，請向家長確認。"),
    "bad_phone": marked("電話號碼不正確，請再核對紙本。"),
    "student_known": marked("這位家長與這位學生已經綁定，或正在申請中。"),
    "unknown_statement": marked("沒有這個版本的個資聲明，請再核對紙本。"),
}
UNKNOWN = marked("這一欄有問題，請再核對紙本。")


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/paper", administrator(list_entries)),
        Route("/paper/new", administrator(enter), methods=FORM),
        Route("/paper/{id:uuid}", administrator(show_entry), methods=FORM),
    ]


async def list_entries(_: Request, site: Site, teacher: Teacher) -> Response:
    """What was entered, and what became of it."""
    entries = await use_cases.list_entries(site.review, teacher)
    version = await live.version(site.review, teacher)
    return site.pages.render("paper_list.html", teacher=teacher, entries=entries, version=version)


async def enter(request: Request, site: Site, teacher: Teacher) -> Response:
    """Choose the class, fill in the form, send it."""
    if request.method == "POST":
        return await _send(request, site, teacher)
    class_id = request.query_params.get("class", "")
    return await _form(site, teacher, class_id, {"student_id": request.query_params.get("student", "")}, {})


async def show_entry(request: Request, site: Site, teacher: Teacher) -> Response:
    """What became of an entry; one that was sent back stands there to be corrected."""
    if request.method == "POST":
        return await _send(request, site, teacher, corrects=request.path_params["id"])
    entry = await use_cases.look(site.review, teacher, request.path_params["id"])
    if entry.state != "rejected":
        version = await live.version(site.review, teacher)
        return site.pages.render("paper_entry.html", teacher=teacher, entry=entry, version=version)
    class_id = request.query_params.get("class") or await use_cases.class_of(site.review, teacher, entry.student_id)
    return await _form(site, teacher, class_id, entry.typed, entry.problems, corrects=entry.id)


async def _send(request: Request, site: Site, teacher: Teacher, corrects: UUID | None = None) -> Response:
    typed = await fields(request)
    key = known_uuid(typed.get("key", "")) or uuid4()
    try:
        entry_id = await use_cases.enter(site.review, teacher, typed, key, corrects=corrects)
    except PaperProblemsError as error:
        if corrects is not None:
            await use_cases.look(site.review, teacher, corrects)  # raises where there is none
        page = await _form(site, teacher, typed.get("class", ""), typed, error.problems, corrects=corrects)
        page.status_code = 422
        return page
    return see(f"/paper/{entry_id}")


async def _form(
    site: Site,
    teacher: Teacher,
    class_id: str,
    typed: Mapping[str, str],
    problems: Mapping[str, str],
    *,
    corrects: UUID | None = None,
) -> Response:
    return site.pages.render(
        "paper_form.html",
        teacher=teacher,
        classes=await use_cases.list_classes(site.review, teacher),
        class_id=class_id,
        students=await use_cases.list_students(site.review, teacher, class_id) if class_id else [],
        typed=typed,
        errors={field: _(MESSAGES.get(code, UNKNOWN)) for field, code in problems.items()},
        corrects=corrects,
        key=typed.get("key") or uuid4(),
        relations=RELATIONS,
        letter_languages=NAMES,
    )
