from __future__ import annotations

import asyncio
import gettext
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from binding_service.errors import PaperUnavailableError
from binding_service.paper import content
from binding_service.paper.form import PaperForm
from shared.events import Signature
from support.papers import VERIFY_URL, Paper, make_signed_document, make_signed_student

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from binding_service.applications.signed import SignedDocument
    from shared.events import Language

    Printed = Callable[..., Coroutine[Any, Any, Paper]]

HASH = "fedcba9876543210" * 4
ENGLISH = {
    "親子帳號綁定申請書": "Application to bind a parent account",
    "第 {page} 頁，共 {pages} 頁": "Page {page} of {pages}",
    "母親": "mother",
    "電話": "電話",
}


class English(gettext.NullTranslations):
    """A catalogue that is not complete."""

    def gettext(self, message: str) -> str:
        """The message in English, where it is known."""
        return ENGLISH.get(message, message)


@pytest.fixture(scope="module")
def form(font_folders: list[Path]) -> PaperForm:
    return PaperForm(font_folders)


async def render(
    form: PaperForm, document: SignedDocument, language: Language = "zh-TW", *, masked: bool = False
) -> bytes:
    return await form.render(document, HASH, VERIFY_URL, language, masked=masked)


@pytest.fixture
def printed(form: PaperForm) -> Printed:
    async def printed(language: Language = "zh-TW", *, masked: bool = False, **fields: object) -> Paper:
        return Paper(await render(form, make_signed_document(**fields), language, masked=masked))

    return printed


async def test_everything_that_was_signed_can_be_searched_for(printed: Printed) -> None:
    text = (await printed()).text()
    for shown in (
        "親子帳號綁定申請書",
        "20261124-7K3FQ9",
        "2026/11/24 09:05:07",  # sent
        "李小美",
        "市立內湖國小",
        "五年一班",
        "母親（法定代理人）",
        "林雅芬",
        "F223456786",
        "lin@example.org",
        "0912 345 678",
        "電子信箱驗證碼",
        "fen@example.net",
        "2026/11/24 08:56:07",  # proven
        "本人已詳閱並同意以上條款聲明。",
        "2026-11",
        "Tiếng Việt",
        "2026/11/24 09:01:07",  # consented
        "0123 4567 89ab cdef 0123 4567 89ab cdef",
        "fedc ba98 7654 3210 fedc ba98 7654 3210",
        "導師審核",
        "□ 通過",
        "□ 不通過",
        "導師簽章",
        "日期",
        "送出資料不等於完成綁定流程",
        "第 1 頁，共 1 頁",
        VERIFY_URL,
    ):
        assert shown in text


async def test_a_guardian_who_is_none_of_the_listed_stands_there_in_the_parents_words(printed: Printed) -> None:
    text = (await printed(students=[make_signed_student(relation="other", relation_text="叔叔")])).text()
    assert "叔叔（監護人）" in text


@pytest.mark.parametrize(
    "name",
    [
        "林𠮷𡘙",  # Extension B
        "林\U0002a700\U0002b740\U0002b820\U0002ceb0",  # C to F
        "林\U00030000\U00031350",  # G and H
        "林\U000f0000",  # CNS 11643, in plane 15
        "Nguyễn Thị Đượm",
        "Łukasz Żółć",
        "#import *粗體* $x$ \\u{41} // @x <y>",
    ],
)
async def test_a_name_is_shown_as_it_is_wherever_it_stands(printed: Printed, name: str) -> None:
    student = make_signed_student(name=name, school=name, class_name=name, relation="other", relation_text=name)
    text = (await printed(students=[student], parent_name=name, signature=Signature(typed=name))).text()
    # The child and its class to be decided on too, the parent as signer too; a line may break inside.
    assert text.replace(" ", "").count(name.replace(" ", "")) == 9


@pytest.mark.parametrize("sign", ["\U0002fffd", "\ue000", "ก"])
async def test_a_character_that_no_font_has_is_told_by_its_code_point(printed: Printed, sign: str) -> None:
    assert f"林〓(U+{ord(sign):04X})芬" in (await printed(parent_name=f"林{sign}芬")).text()


async def test_who_has_not_proven_a_contact_reads_no_more_than_a_glimpse(printed: Printed) -> None:
    text = (await printed(masked=True, proven_by="sms", proven_contact="+886987654321")).text()
    assert "部分個人資料以星號（*）遮蔽。" in text
    for glimpse in ("林○芬", "F223***86", "li***@example.org", "09*****678", "09*****321"):
        assert glimpse in text
    for secret in ("林雅芬", "F223456786", "lin@", "345 678", "0987"):
        assert secret not in text


async def test_who_has_not_proven_a_contact_sees_no_signature(printed: Printed) -> None:
    typed = Signature(typed="林 雅芬")
    shown, hidden = await printed(signature=typed), await printed(masked=True, signature=typed)
    assert "林 雅芬" in shown.text()
    assert "林 雅芬" not in hidden.text()
    assert "不顯示簽名" in hidden.text()
    assert (await printed(masked=True)).paths() < (await printed()).paths()


async def test_a_signature_is_lines_and_never_a_picture(printed: Printed) -> None:
    one = await printed(signature=Signature(strokes=[[(9, 9), (300, 90)]]))
    three = await printed(signature=Signature(strokes=[[(9, 9), (300, 90)], [(9, 90), (300, 9)], [(150, 50)]]))
    assert three.paths() - one.paths() == 2
    assert not [stream for stream in three.streams() if stream.get("/Subtype") == "/Image"]


async def test_a_typed_signature_says_that_it_is_one(printed: Printed) -> None:
    text = (await printed(parent_name="王", signature=Signature(typed="林雅芬"))).text()
    assert "林雅芬" in text
    assert "以輸入姓名代替手寫簽名" in text
    assert "以輸入姓名代替手寫簽名" not in (await printed()).text()


async def test_the_qr_code_leads_to_where_the_form_is_verified(printed: Printed) -> None:
    assert (await printed()).qr_codes() == [VERIFY_URL]


async def test_a_screen_reader_gets_the_structure(printed: Printed) -> None:
    paper = await printed()
    elements = list(paper.structure())
    kinds = [element["/S"] for element in elements]
    assert paper.root["/MarkInfo"]["/Marked"]
    assert paper.root["/Lang"] == "zh-TW"
    assert paper.root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b"<pdfuaid:part>1<" in paper.root["/Metadata"].get_data()
    assert kinds.count("/H1") == 7
    assert kinds.count("/Table") == 6
    assert kinds.count("/TH") == 21
    assert [each.get("/Alt") for each in elements if each["/S"] == "/Figure"] == [
        "申請人的手寫簽名",
        "核對本申請書的 QR Code，內容為下方網址",
    ]


async def test_every_font_is_embedded(printed: Printed) -> None:
    fonts = (await printed(parent_name="Łin\U0002ceb0")).fonts()
    assert len(fonts) == 3
    assert all({"/FontFile2", "/FontFile3"} & font["/FontDescriptor"].keys() for font in fonts)


async def test_ten_children_take_two_pages_that_each_say_what_they_belong_to(printed: Printed) -> None:
    names = [f"李小美{'一二三四五六七八九十'[number]}" for number in range(10)]
    pages = (await printed(students=[make_signed_student(name=name) for name in names])).pages()
    assert len(pages) == 2
    assert "第 1 頁，共 2 頁" in pages[0]
    assert "申請編號 20261124-7K3FQ9" in pages[1]
    assert "第 2 頁，共 2 頁" in pages[1]
    assert all("\n".join(pages).count(name) == 2 for name in names)  # named, and to be decided on


async def test_one_child_takes_one_page(printed: Printed) -> None:
    assert len((await printed()).pages()) == 1


async def test_another_language_stands_beside_and_nothing_is_said_twice(
    printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "catalogue", lambda _, language: English() if language == "en" else None)
    paper = await printed("en")
    text = paper.text()
    assert "Application to bind a parent account" in text
    assert "母親（法定代理人） mother" in text
    assert "第 1 頁，共 1 頁 Page 1 of 1" in text
    assert text.count("電話") == 2  # the heading, and the one of the proven contact
    assert b"/Lang(en)" in b"".join(stream.get_data() for stream in paper.streams())


async def test_the_same_application_gives_the_same_file_wherever_it_is_made(
    form: PaperForm, font_folders: list[Path]
) -> None:
    document = make_signed_document()
    first = await render(form, document)
    await render(form, make_signed_document(parent_name="陳一"))
    assert await render(form, document) == first
    assert await render(PaperForm(font_folders), document) == first
    assert await render(form, make_signed_document(parent_name="陳一")) != first
    assert Paper(first).made_at() == document.signed_at


async def test_many_at_once_each_get_their_own(form: PaperForm) -> None:
    names = [f"陳{sign}" for sign in "一二三四五六"]
    made = await asyncio.gather(*(render(form, make_signed_document(parent_name=name)) for name in names))
    assert all(name in Paper(pdf).text() for name, pdf in zip(names, made, strict=True))


async def test_without_its_fonts_there_is_no_form_and_the_log_says_which(tmp_path: Path) -> None:
    form = PaperForm([tmp_path / "nothing"])
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(PaperUnavailableError):
                await render(form, make_signed_document())
    assert [(line["log_level"], line["families"][0]) for line in logs] == [("warning", "Noto Sans CJK TC")]


async def test_without_the_rare_fonts_the_rest_is_printed(font_folders: list[Path]) -> None:
    form = PaperForm([folder for folder in font_folders if folder.name == "noto"])
    paper = Paper(await render(form, make_signed_document(parent_name="林\U0002ceb0")))
    assert "林〓(U+2CEB0)" in paper.text()


async def test_a_fault_of_the_typesetter_tells_nobody_what_was_to_be_printed(
    font_folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    form = PaperForm(font_folders)
    # What no font has is left in, which PDF/UA forbids and typst reports with the text.
    monkeypatch.setattr("binding_service.paper.fonts.FormFonts.printable", lambda _, text: text)
    with capture_logs() as logs, pytest.raises(PaperUnavailableError) as raised:
        await render(form, make_signed_document(parent_name="林\U0002fffd"))
    assert raised.value.__suppress_context__
    assert logs == [{"event": "paper form could not be made", "log_level": "error"}]
