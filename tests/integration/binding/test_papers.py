"""What is kept with a signature, the paper form, and whether one is genuine."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from binding_service.applications.signed import SignedDocument
from support.papers import Paper
from support.town import LI, PARENT_ID, SIGNATURE, WANG, make_parent_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from support.databases import Clock
    from support.town import Town

CONTACT = "lin@example.org"
PHONE = "+886912345678"


@pytest.fixture
async def town(open_town: Callable[..., Awaitable[Town]], font_folders: list[Path]) -> Town:
    """A town that can print."""
    return await open_town(binding={"font_paths": [str(folder) for folder in font_folders]})


async def signed(town: Town) -> tuple[SignedDocument, str]:
    """What was signed, unsealed, and the hash that is kept with it."""
    row = (await town.rows("SELECT id, signed_sealed, signed_hash FROM binding.applications"))[0]
    place = f"applications:{row['id']}:signed"
    text = town.keys.store.unseal(row["signed_sealed"], place)
    assert hashlib.sha256(text.encode()).hexdigest() == row["signed_hash"]
    return SignedDocument.model_validate_json(text), row["signed_hash"]


async def form_of(town: Town, token: str) -> bytes:
    application = (await town.bindings(token))[0]["application_id"]
    answer = await town.call("GET", f"/applications/{application}/form", token)
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_who_signed_what_and_when_is_kept_as_one_text_with_its_hash(town: Town, clock: Clock) -> None:
    token = await town.sign_in(PHONE)
    await clock.shift(timedelta(minutes=10))
    await town.fill(token, parent=make_parent_form())
    await town.do("POST", "/draft/email-code", token)
    await town.do("POST", "/draft/email-proof", token, code=await town.code_for(CONTACT))
    number = (await town.do("POST", "/applications", token, signature=SIGNATURE))["number"]
    document, _ = await signed(town)
    assert (document.number, document.national_id, document.parent_name) == (number, PARENT_ID, "林淑芬")
    assert (document.proven_by, document.proven_contact) == ("sms", PHONE)
    assert timedelta(minutes=10) <= document.signed_at - document.proven_at < timedelta(minutes=11)
    assert [(student.name, student.relation) for student in document.students] == [(LI.name, "mother")]
    assert [list(map(list, stroke)) for stroke in document.signature.strokes] == SIGNATURE["strokes"]


async def test_any_change_of_what_was_signed_changes_the_hash(town: Town) -> None:
    await town.apply()
    document, hash_ = await signed(town)
    changed = document.model_copy(update={"phone": "+886900000000"})
    assert hashlib.sha256(document.canonical().encode()).hexdigest() == hash_
    assert hashlib.sha256(changed.canonical().encode()).hexdigest() != hash_


async def test_the_form_is_given_to_who_reaches_the_application_and_to_nobody_else(town: Town) -> None:
    token = await town.apply()
    paper = Paper(await form_of(town, token))
    for part in (LI.name, "林淑芬", PARENT_ID, CONTACT):
        assert part in paper.text()
    application = (await town.bindings(token))[0]["application_id"]
    stranger = await town.sign_in("stranger@example.org")
    assert (await town.call("GET", f"/applications/{application}/form", stranger)).status_code == 404
    assert (await town.call("GET", f"/applications/{application}/form")).status_code == 401
    assert (await town.call("GET", f"/applications/{uuid4()}/form", token)).status_code == 404


async def test_a_phone_that_was_only_typed_reads_no_id_number(town: Town) -> None:
    await town.apply()
    text = Paper(await form_of(town, await town.sign_in(PHONE))).text()
    assert LI.name in text
    for secret in ("林淑芬", PARENT_ID, CONTACT):
        assert secret not in text


async def test_who_only_knows_an_id_number_reads_nothing_of_its_account_on_the_form(town: Town) -> None:
    await town.open_account(CONTACT)
    stranger = await town.sign_in("stranger@example.org")
    await town.fill(stranger, [WANG])
    await town.do("POST", "/applications", stranger, signature=SIGNATURE)
    text = Paper(await form_of(town, stranger)).text()
    assert WANG.name in text
    for secret in ("林淑芬", PARENT_ID, CONTACT, "345 678"):
        assert secret not in text


async def test_a_phone_that_was_proven_with_the_accounts_email_reads_the_form_of_a_later_application(
    town: Town,
) -> None:
    token = await town.sign_in(PHONE)
    await town.fill(token, parent=make_parent_form())
    await town.do("POST", "/draft/email-code", token)
    await town.do("POST", "/draft/email-proof", token, code=await town.code_for(CONTACT))
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    await town.decided((await town.bindings(token))[0]["id"])
    await town.fill(token, [WANG])
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    later = next(each for each in await town.bindings(token) if each["student"] == WANG.name)
    form = await town.call("GET", f"/applications/{later['application_id']}/form", token)
    assert PARENT_ID in Paper(form.content).text()


async def test_the_page_gives_the_form_as_a_file_with_the_number_as_its_name(town: Town) -> None:
    token = await town.apply()
    binding = (await town.bindings(token))[0]
    async with town.browser(token) as browser:
        answer = await browser.get(f"/applications/{binding['application_id']}/form.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == f'attachment; filename="{binding["application_number"]}.pdf"'
    assert answer.headers["cache-control"] == "no-store"


async def test_the_printed_hash_and_the_qr_code_lead_to_what_is_genuine(town: Town) -> None:
    token = await town.apply()
    paper = Paper(await form_of(town, token))
    _, hash_ = await signed(town)
    number = (await town.bindings(token))[0]["application_number"]
    assert paper.qr_codes() == [f"{town.settings.public_url}/verify?hash={hash_}"]
    assert hash_ in paper.text().replace(" ", "")
    groups = " ".join(hash_[start : start + 4] for start in range(0, 64, 4)).upper()
    async with town.browser() as browser:
        for answer in (
            await browser.get("/verify", params={"hash": hash_}),
            await browser.post("/verify", data={"hash": groups}),
        ):
            assert "這是真的申請書" in answer.text
            assert number in answer.text
            assert "林○芬" in answer.text
            for secret in (LI.name, "林淑芬", PARENT_ID, CONTACT):
                assert secret not in answer.text
    told = await town.do("GET", f"/documents/{hash_}")
    assert (told["number"], told["students"], told["is_file"]) == (number, ["李○美"], False)


async def test_a_file_is_known_by_every_byte(town: Town) -> None:
    pdf = await form_of(town, await town.apply())
    async with town.browser() as browser:
        genuine = await browser.post("/verify", files={"file": ("form.pdf", pdf, "application/pdf")})
        forged = await browser.post("/verify", files={"file": ("form.pdf", pdf + b" ", "application/pdf")})
    assert "一個字都沒有改過" in genuine.text
    assert "沒有這份申請書" in forged.text


@pytest.mark.parametrize("typed", ["", "abc", "0" * 63, "g" * 64, "<b>x</b>"])
async def test_what_is_no_hash_is_told_at_its_field(town: Town, typed: str) -> None:
    async with town.browser() as browser:
        answer = await browser.post("/verify", data={"hash": typed})
    assert answer.status_code == 422
    assert 'id="hash-error"' in answer.text
    assert "<b>x" not in answer.text


async def test_a_hash_of_nothing_is_not_genuine(town: Town) -> None:
    async with town.browser() as browser:
        assert "沒有這份申請書" in (await browser.get("/verify", params={"hash": "0" * 64})).text
    assert (await town.call("GET", f"/documents/{'0' * 64}")).status_code == 404


async def test_without_fonts_the_form_is_away_and_everything_else_goes_on(
    open_town: Callable[..., Awaitable[Town]], tmp_path: Path
) -> None:
    town = await open_town(binding={"font_paths": [str(tmp_path)]})
    token = await town.apply()
    application = UUID((await town.bindings(token))[0]["application_id"])
    answer = await town.call("GET", f"/applications/{application}/form", token)
    assert (answer.status_code, answer.json()["code"]) == (503, "paper_unavailable")
    async with town.browser(token) as browser:
        page = await browser.get(f"/applications/{application}/form.pdf")
    assert page.status_code == 503
    assert "申請書暫時無法產生" in page.text


async def test_the_forms_of_one_contact_are_limited(
    open_town: Callable[..., Awaitable[Town]], font_folders: list[Path]
) -> None:
    fonts = [str(folder) for folder in font_folders]
    town = await open_town(binding={"font_paths": fonts, "paper_forms_per_contact_hour": 1})
    token = await town.apply()
    await form_of(town, token)
    application = (await town.bindings(token))[0]["application_id"]
    answer = await town.call("GET", f"/applications/{application}/form", token)
    assert (answer.status_code, answer.json()["code"]) == (429, "limited")
    assert int(answer.headers["retry-after"]) > 3000


@pytest.mark.parametrize("review_url", ["", "https://review.example/", "https://review.example"])
async def test_a_genuine_form_leads_the_schools_staff_to_the_teachers_pages_where_they_are_known(
    open_town: Callable[..., Awaitable[Town]], review_url: str
) -> None:
    town = await open_town(binding={"review_url": review_url})
    await town.apply()
    _, hash_ = await signed(town)
    async with town.browser() as browser:
        genuine = (await browser.get("/verify", params={"hash": hash_})).text
        unknown = (await browser.get("/verify", params={"hash": "0" * 64})).text
    link = f'href="https://review.example/documents/{hash_}"'
    assert (link in genuine) is ("學校人員" in genuine) is bool(review_url)
    assert "學校人員" not in unknown
