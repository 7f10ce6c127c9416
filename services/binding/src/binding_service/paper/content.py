"""What stands on the paper form: an application's values and the form's words, as the template takes them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import segno

from binding_service import id_numbers, labels
from binding_service.drafts.domain import LEGAL_REPRESENTATIVES, mask_name
from shared.contacts import mask_email, mask_phone, national_phone
from shared.languages import NAMES, catalogue, marked
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from binding_service.applications.signed import SignedDocument, SignedStudent
    from shared.events import Language, Signature

#: The form's own words, by the names that the template has for them.
WORDS = {
    "title": marked("親子帳號綁定申請書"),
    "number": marked("申請編號"),
    "submitted_at": marked("送出時間（臺北時間）"),
    "page": marked("第 {page} 頁，共 {pages} 頁"),
    "masked": marked("部分個人資料以星號（*）遮蔽。"),
    "students": marked("學生資料"),
    "student_name": marked("學生姓名"),
    "school": marked("學校"),
    "class": marked("班級"),
    "relation": marked("與學生的關係"),
    "parent": marked("申請人（家長）"),
    "name": marked("姓名"),
    "national_id": marked("身分證字號"),
    "email": marked("電子信箱"),
    "phone": marked("電話"),
    "identification": marked("申請人身分確認"),
    "means": marked("確認方式"),
    "contact": marked("電子信箱或電話"),
    "time": marked("時間"),
    "statement": marked("個資使用聲明"),
    "consent": marked("本人已詳閱並同意以上條款聲明"),
    "version": marked("版本"),
    "language": marked("語言"),
    "consented_at": marked("同意時間"),
    "statement_hash": marked("聲明全文的 SHA-256 雜湊值"),
    "signature": marked("電子簽名"),
    "signer": marked("簽署人"),
    "signed_at": marked("簽署時間"),
    "typed": marked("以輸入姓名代替手寫簽名"),
    "hidden": marked("此聯絡方式未經這份申請驗證，不顯示簽名"),
    "drawn_alt": marked("申請人的手寫簽名"),
    "review": marked("導師審核"),
    "result": marked("審核結果"),
    "approved": marked("通過"),
    "refused": marked("不通過"),
    "teacher": marked("導師簽章"),
    "date": marked("日期"),
    "verification": marked("文件核對"),
    "document_hash": marked("申請內容的 SHA-256 雜湊值"),
    "how_to_verify": marked("請掃描 QR Code 或開啟下方網址，核對網頁上的申請編號與雜湊值是否與本申請書相同。"),
    "qr_alt": marked("核對本申請書的 QR Code，內容為下方網址"),
    "not_yet_bound": marked("提醒您，送出資料不等於完成綁定流程，須待導師審核通過。"),
}
MEANS = {
    "email": marked("電子信箱驗證碼"),
    "sms": marked("手機簡訊驗證碼"),
    "password": marked("帳號密碼"),
}
LEGAL_REPRESENTATIVE = marked("法定代理人")
GUARDIAN = marked("監護人")

#: As thick as the pen of the page on which it was drawn, for a field 600 wide.
PEN = 1 / 150


class Bilingual:
    """Words in zh-TW, and in the reader's language where that is another and has them."""

    def __init__(self, language: Language) -> None:
        self._gettext = catalogue("binding_service", language).gettext

    def __call__(self, message: str) -> dict[str, str]:
        """``zh`` and ``other``; the second is empty where it would say the same."""
        translated = self._gettext(message)
        return {"zh": message, "other": "" if translated == message else translated}


def content(
    document: SignedDocument, document_hash: str, verify_url: str, language: Language, *, masked: bool
) -> dict[str, object]:
    """All that the template shows, as JSON takes it; times are in Taipei."""
    both = Bilingual(language)
    return {
        "language": language.partition("-")[0],
        "words": {name: both(message) for name, message in WORDS.items()},
        "number": document.number,
        "signed_at": _time(document.signed_at),
        "masked": masked,
        "students": [_student(student, both) for student in document.students],
        "parent": _parent(document, masked=masked),
        "identification": _identification(document, both, masked=masked),
        "statement": _statement(document),
        "signature": _signature(document.signature, masked=masked),
        "document_hash": list(_grouped(document_hash)),
        "verify_url": verify_url,
        "qr_svg": qr_svg(verify_url),
    }


def _student(student: SignedStudent, both: Bilingual) -> dict[str, object]:
    is_legal = student.relation in LEGAL_REPRESENTATIVES
    said = {"zh": student.relation_text, "other": ""}
    return {
        "name": student.name,
        "school": student.school,
        "class": student.class_name,
        "relation": said if student.relation_text else both(labels.RELATIONS[student.relation]),
        "kind": both(LEGAL_REPRESENTATIVE if is_legal else GUARDIAN),
    }


def _parent(document: SignedDocument, *, masked: bool) -> dict[str, str]:
    return {
        "name": mask_name(document.parent_name) if masked else document.parent_name,
        "national_id": id_numbers.mask(document.national_id) if masked else document.national_id,
        "email": mask_email(document.email) if masked else document.email,
        "phone": mask_phone(document.phone) if masked else national_phone(document.phone),
    }


def _identification(document: SignedDocument, both: Bilingual, *, masked: bool) -> dict[str, object]:
    return {
        "means": both(MEANS[document.proven_by]),
        "contact": _contact(document.proven_contact, masked=masked),
        "time": _time(document.proven_at),
    }


def _contact(contact: str, *, masked: bool) -> str:
    if "@" in contact:
        return mask_email(contact) if masked else contact
    return mask_phone(contact) if masked else national_phone(contact)


def _statement(document: SignedDocument) -> dict[str, object]:
    return {
        "version": document.statement_version,
        "language": NAMES[document.statement_language],
        "consented_at": _time(document.consented_at),
        "hash": list(_grouped(document.statement_hash)),
    }


def _time(moment: datetime) -> str:
    """``2026/11/24 09:05:07``: to the second, as it stands in the record."""
    return moment.astimezone(TAIPEI).strftime("%Y/%m/%d %H:%M:%S")


def _grouped(digits: str) -> Iterator[str]:
    """In fours, as one reads them out."""
    return (digits[start : start + 4] for start in range(0, len(digits), 4))


def _signature(signature: Signature, *, masked: bool) -> dict[str, object]:
    if masked:
        return {"svg": "", "typed": "", "hidden": True}
    return {"svg": signature_svg(signature), "typed": signature.typed, "hidden": False}


def signature_svg(signature: Signature) -> str:
    """The strokes as an SVG drawing, in the field's units; empty where there are none."""
    if not any(signature.strokes):
        return ""
    lines = "".join(f'<path d="{_path(stroke)}"/>' for stroke in signature.strokes if stroke)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{_view_box(signature)}">'
        f'<g fill="none" stroke="#000" stroke-width="{signature.width * PEN:.2f}"'
        f' stroke-linecap="round" stroke-linejoin="round">{lines}</g></svg>'
    )


def _view_box(signature: Signature) -> str:
    """The field, or more where a stroke leaves it: nothing that was signed is cut off."""
    points = [point for stroke in signature.strokes for point in stroke]
    left, top = (min(0, *axis) for axis in zip(*points, strict=True))
    right, bottom = (
        max(size, *axis)
        for size, axis in zip((signature.width, signature.height), zip(*points, strict=True), strict=True)
    )
    return f"{left} {top} {right - left} {bottom - top}"


def _path(stroke: list[tuple[int, int]]) -> str:
    """The ``d`` of an SVG path. A single point is a line too short to see, whose round ends are a dot."""
    (x, y), *others = stroke
    return f"M{x} {y}" + ("".join(f"L{right} {down}" for right, down in others) or "l.01 0")


def qr_svg(url: str) -> str:
    """The address as a QR code with its quiet zone, as an SVG drawing."""
    drawing = io.BytesIO()
    code = segno.make_qr(url, error="m")
    code.save(drawing, kind="svg", xmldecl=False, omitsize=True, nl=False, svgclass=None, lineclass=None)
    return drawing.getvalue().decode("ascii")
