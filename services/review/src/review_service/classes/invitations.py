"""Invitations: a sheet for each student's parents, several to a page, to print and cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import segno
from starlette.routing import Route

from review_service.classes import use_cases
from review_service.web import signed_in

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site

SHEETS_A_PAGE = 6
EVERYBODY = "all"

#: What stands on every sheet, for parents: in their languages, whatever language the teacher reads.
STEPS = (
    "掃描 QR 碼，或在瀏覽器輸入下方網址。",
    "用電子信箱或手機收驗證碼，備妥孩子的身分證字號，依畫面填寫。",
    "簽名送出。導師審核後，系統會通知您。",
)
IN_SHORT = {
    "en": "Scan the code, choose English, and link to your child.",
    "vi": "Quét mã QR, chọn Tiếng Việt và liên kết với học sinh.",
    "id": "Pindai kode QR, pilih Bahasa Indonesia, tautkan anak Anda.",
}


def routes() -> list[Route]:
    """The pages of invitations."""
    return [
        Route("/classes/{id}/invitations", signed_in(choose)),
        Route("/classes/{id}/invitations/print", signed_in(show_sheets)),
    ]


async def choose(request: Request, site: Site, teacher: Teacher) -> Response:
    """For whom: those who have nobody, or everyone."""
    shown = await use_cases.look_at_class(site.review, teacher, request.path_params["id"])
    return site.pages.render("invitations.html", teacher=teacher, shown=shown, sheets_a_page=SHEETS_A_PAGE)


async def show_sheets(request: Request, site: Site, teacher: Teacher) -> Response:
    """The sheets themselves."""
    class_id = request.path_params["id"]
    shown = await use_cases.look_at_class(site.review, teacher, class_id, action="invitations.printed")
    everybody = request.query_params.get("who") == EVERYBODY
    address = site.review.settings.parents_url
    return site.pages.render(
        "sheets.html",
        teacher=teacher,
        shown=shown,
        students=shown.students if everybody else shown.missing,
        address=address,
        code=qr_code(address),
        steps=STEPS,
        in_short=IN_SHORT,
        sheets_a_page=SHEETS_A_PAGE,
    )


def qr_code(address: str) -> str:
    """The address as a QR code with its quiet zone: the source of a picture."""
    return segno.make_qr(address, error="m").svg_data_uri(svgclass=None, lineclass=None, omitsize=True)
