"""The school's staff and their accounts: the administrator's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.routing import Route

from review_service.accounts import staff
from review_service.accounts.domain import AccountState, suggest_username
from review_service.errors import (
    AccountClosedError,
    AccountExistsError,
    BadUsernameError,
    OwnAccountError,
    UsernameTakenError,
)
from review_service.web import FORM, administrator, fields, see
from review_service.words import _

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.accounts.staff import Member, StartPassword
    from review_service.context import Teacher
    from review_service.web import Site

#: What was done, as the list that follows says it.
DONE = ("closed", "reopened")
WITH_ACCOUNT = frozenset({AccountState.OPEN, AccountState.MUST_CHANGE, AccountState.EXPIRED, AccountState.LOCKED})


def routes() -> list[Route]:
    """The pages of the school's staff."""
    return [
        Route("/staff", administrator(show_staff)),
        Route("/staff/{id}/open", administrator(open_account), methods=FORM),
        Route("/staff/{id}/reset", administrator(reset), methods=FORM),
        Route("/staff/{id}/close", administrator(close), methods=FORM),
        Route("/staff/{id}/reopen", administrator(reopen), methods=FORM),
    ]


async def show_staff(request: Request, site: Site, teacher: Teacher) -> Response:
    """Everybody of the school, and what their way in is."""
    members = await staff.list_staff(site.review, teacher)
    done, of = request.query_params.get("done"), request.query_params.get("of")
    return site.pages.render(
        "staff.html",
        teacher=teacher,
        members=members,
        done=done if done in DONE else None,
        changed=next((member for member in members if member.id == of), None),
        with_account=WITH_ACCOUNT,
        is_local=site.review.settings.local_accounts,
    )


async def open_account(request: Request, site: Site, teacher: Teacher) -> Response:
    """Open an account with a start password."""
    member = await _member(request, site, teacher)
    if member.username is not None or member.state is AccountState.CLOSED or not site.review.settings.local_accounts:
        return see("/staff")
    if request.method != "POST":
        return _open_page(site, teacher, member, suggest_username(member.email))
    username = (await fields(request)).get("username", "")
    try:
        start = await staff.open_with_start_password(site.review, teacher, member.id, username)
    except BadUsernameError:
        error = _("帳號要有 2 到 64 個字元，只能用英文字母、數字和 . _ @ -，並以字母或數字開頭。")
    except UsernameTakenError:
        error = _("這個帳號已有人使用，請換一個。")
    except (AccountExistsError, AccountClosedError):
        return see("/staff")
    else:
        return _start_page(site, teacher, member, start)
    return _open_page(site, teacher, member, username, error)


async def reset(request: Request, site: Site, teacher: Teacher) -> Response:
    """A start password in place of the teacher's own."""
    member = await _member(request, site, teacher)
    if member.state not in WITH_ACCOUNT or member.id == teacher.id:
        return see("/staff")
    if request.method != "POST":
        return site.pages.render("staff_reset.html", teacher=teacher, member=member)
    try:
        start = await staff.reset(site.review, teacher, member.id)
    except AccountClosedError:
        return see("/staff")
    return _start_page(site, teacher, member, start)


async def close(request: Request, site: Site, teacher: Teacher) -> Response:
    """Let a teacher in no more; asked once."""
    member = await _member(request, site, teacher)
    if request.method != "POST":
        return site.pages.render(
            "staff_close.html", teacher=teacher, member=member, status=_close_status(teacher, member)
        )
    try:
        await staff.close(site.review, teacher, member.id)
    except OwnAccountError:
        return site.pages.render("staff_close.html", teacher=teacher, member=member, status=409)
    return see(f"/staff?done=closed&of={quote(member.id, safe='')}")


async def reopen(request: Request, site: Site, teacher: Teacher) -> Response:
    """Let a teacher in again."""
    member = await _member(request, site, teacher)
    if request.method != "POST":
        return site.pages.render("staff_reopen.html", teacher=teacher, member=member)
    await staff.reopen(site.review, teacher, member.id)
    return see(f"/staff?done=reopened&of={quote(member.id, safe='')}")


def _close_status(teacher: Teacher, member: Member) -> int:
    return 409 if member.id == teacher.id else 200


async def _member(request: Request, site: Site, teacher: Teacher) -> Member:
    return await staff.find_member(site.review, teacher, request.path_params["id"])


def _open_page(site: Site, teacher: Teacher, member: Member, username: str, error: str = "") -> Response:
    return site.pages.render(
        "staff_open.html",
        status=422 if error else 200,
        teacher=teacher,
        member=member,
        username=username,
        errors={"username": error} if error else {},
        days=site.review.settings.start_password_days,
    )


def _start_page(site: Site, teacher: Teacher, member: Member, start: StartPassword) -> Response:
    """The one page on which a start password stands."""
    return site.pages.render("staff_start_password.html", teacher=teacher, member=member, start=start)
