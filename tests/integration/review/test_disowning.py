"""A notice that its reader disowned: who sees it, and how it is put to rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.events import BindingApproved, NoticeDisowned
from shared.not_mine import LIFE, NotMine, make_token

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.review.conftest import Binding, Query, Visit

    from review_service.context import Review
    from support.databases import Clock

SENT = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
DENIED = "收到通知的人表示沒有申請"
TAG = "收件人表示不是本人"


def disowned(
    binding_id: UUID, kind: str = "application_received", sent_at: datetime = SENT, school_id: str = "S-1"
) -> NoticeDisowned:
    return NoticeDisowned.of("binding", binding_id, kind=kind, sent_at=sent_at, school_id=school_id)


def staff_link(review: Review, teacher_id: str = "T-1", kind: str = "digest", at: datetime | None = None) -> str:
    """A link as notify seals it."""
    link = NotMine(kind=kind, about="teacher", subject=teacher_id, at=at or datetime.now(UTC))
    return make_token(review.to_notify, link)


async def audited(query: Query, school_id: str = "S-1") -> list[tuple[str, str, str]]:
    """The lines of a school's log about this: action, subject, and who did it."""
    rows = await query(
        "SELECT action, subject, teacher_id FROM audit WHERE school_id = $1 AND action LIKE '%disowned%' ORDER BY id",
        school_id,
    )
    return [(row["action"], row["subject"], row["teacher_id"]) for row in rows]


async def test_teacher_and_administrator_see_it_at_the_case_and_in_the_list(
    binding: Binding, visit: Visit, query: Query
):
    id_ = await binding.submit()
    await binding.tell(disowned(id_))
    for who in ("T-1", "A-1"):
        browser = await visit(who)
        page = (await browser.get(f"/applications/{id_}")).text
        assert DENIED in page
        assert ('href="/disowned"' in page) == (who == "A-1")
        assert TAG in (await browser.get("/")).text
        assert TAG in (await browser.get("/?flagged=1")).text
    assert await audited(query) == [("application.disowned", str(id_), "")]


async def test_the_administrator_finds_it_at_the_school_and_in_the_log_and_puts_it_to_rest(
    binding: Binding, visit: Visit, query: Query
):
    id_ = await binding.submit(details=binding.details(parent_name="林淑芬"))
    await binding.tell(disowned(id_))
    browser = await visit("A-1")
    assert "1 封通知的收件人表示不是本人" in (await browser.get("/school")).text
    page = (await browser.get("/disowned")).text
    for words in (DENIED, "王大明", "林淑芬", f'href="/applications/{id_}"'):
        assert words in page
    assert "收件人表示通知不是他的" in (await browser.get("/audit")).text
    (row,) = await query("SELECT id FROM disowned_notices")
    for _ in range(2):
        answer = await browser.post(f"/disowned/{row['id']}/handled")
        assert (answer.status_code, answer.headers["location"]) == (303, "/disowned")
    assert "表示不是本人</a>" not in (await browser.get("/school")).text
    assert '<form method="post" action="/disowned/' not in (await browser.get("/disowned")).text
    page = (await browser.get(f"/applications/{id_}")).text
    assert "學校已查明" in page
    assert TAG not in page
    assert TAG not in (await browser.get("/")).text
    done = ("application.disowned-handled", str(id_), "A-1")
    assert (await audited(query)).count(done) == 1


async def test_each_notice_counts_once_and_what_was_put_to_rest_stays_so(binding: Binding, visit: Visit, query: Query):
    id_ = await binding.submit()
    await binding.tell(disowned(id_))
    await binding.tell(disowned(id_))
    (row,) = await query("SELECT id FROM disowned_notices")
    browser = await visit("A-1")
    await browser.post(f"/disowned/{row['id']}/handled")
    await binding.tell(disowned(id_))
    assert TAG not in (await browser.get("/")).text
    await binding.tell(disowned(id_, sent_at=SENT + timedelta(days=1)))
    assert TAG in (await browser.get("/")).text
    assert [line[0] for line in await audited(query)].count("application.disowned") == 2


async def test_one_that_is_heard_of_before_its_application_marks_that_when_it_comes(
    binding: Binding, visit: Visit, query: Query
):
    id_ = uuid4()
    await binding.tell(disowned(id_))
    browser = await visit("A-1")
    assert "目前沒有" in (await browser.get("/disowned")).text
    await binding.submit(id_)
    assert TAG in (await browser.get("/")).text
    assert DENIED in (await browser.get("/disowned")).text
    assert await audited(query) == [("application.disowned", str(id_), ""), ("disowned.listed", "S-1", "A-1")]


async def test_what_is_bound_shows_it_too(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    await binding.end(BindingApproved, id_)
    await binding.tell(disowned(id_, "approved"))
    assert DENIED in (await (await visit("T-1")).get(f"/applications/{id_}")).text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("code", "沒有要求驗證碼"),
        ("withdrawn", "沒有取消申請"),
        ("objection_closed", "沒有提出異議"),
        ("deletion_asked", "沒有要求刪除帳號"),
        ("new_device", "帳號被別人使用"),
        ("guardian_bound", "信寄錯人了"),
        ("of_a_newer_version", "信寄錯人了"),
    ],
)
async def test_it_is_told_what_the_reader_denied(binding: Binding, visit: Visit, kind: str, words: str):
    id_ = await binding.submit()
    await binding.tell(disowned(id_, kind))
    assert words in (await (await visit("T-1")).get(f"/applications/{id_}")).text


async def test_another_school_sees_nothing_of_it_and_puts_nothing_to_rest(binding: Binding, visit: Visit, query: Query):
    id_ = await binding.submit()
    await binding.tell(disowned(id_))
    (row,) = await query("SELECT id FROM disowned_notices")
    there, teacher = await visit("A-9"), await visit("T-1")
    assert "目前沒有" in (await there.get("/disowned")).text
    assert "表示不是本人" not in (await there.get("/school")).text
    await there.post(f"/disowned/{row['id']}/handled")
    assert (await teacher.get("/disowned")).status_code == 403
    assert (await teacher.post(f"/disowned/{row['id']}/handled")).status_code == 403
    (row,) = await query("SELECT handled_at FROM disowned_notices")
    assert row["handled_at"] is None


async def test_an_administrator_who_is_the_parent_sees_nothing_of_it(binding: Binding, visit: Visit):
    id_ = await binding.submit(parent_teacher_ids=["A-1"])
    await binding.tell(disowned(id_))
    assert "目前沒有" in (await (await visit("A-1")).get("/disowned")).text


async def test_open_pages_learn_of_it(binding: Binding, query: Query):
    id_ = await binding.bind()
    (before,) = await query("SELECT change FROM bindings WHERE id = $1", id_)
    await binding.tell(disowned(id_))
    (after,) = await query("SELECT change FROM bindings WHERE id = $1", id_)
    assert after["change"] > before["change"]


# --- mails to the staff ---


async def test_who_got_a_mail_for_staff_says_so_without_signing_in_and_the_administrator_hears_of_it(
    binding: Binding, visit: Visit, review: Review, query: Query
):
    assert binding
    token = staff_link(review)
    nobody, administrator = await visit(), await visit("A-1")
    page = await nobody.get(f"/not-mine?token={token}")
    assert page.status_code == 200
    assert "老師T-1" not in page.text
    assert await audited(query) == []
    for _ in range(2):
        answer = await nobody.post("/not-mine", data={"token": token})
        assert (answer.status_code, "謝謝您告訴我們" in answer.text) == (200, True)
    assert await audited(query) == [("notice.disowned", "T-1", "")]
    assert "1 封通知的收件人表示不是本人" in (await administrator.get("/school")).text
    assert "寄給 老師T-1 的通知" in (await administrator.get("/disowned")).text
    assert "目前沒有" in (await (await visit("A-9")).get("/disowned")).text
    (row,) = await query("SELECT id FROM disowned_notices")
    await administrator.post(f"/disowned/{row['id']}/handled")
    assert "表示不是本人</a>" not in (await administrator.get("/school")).text
    assert (await audited(query))[-1] == ("notice.disowned-handled", "T-1", "A-1")


async def test_a_link_of_nobody_the_roster_knows_is_answered_alike(
    binding: Binding, visit: Visit, review: Review, query: Query
):
    assert binding
    answer = await (await visit()).post("/not-mine", data={"token": staff_link(review, "T-404")})
    assert "謝謝您告訴我們" in answer.text
    assert await query("SELECT id FROM disowned_notices") == []


@pytest.mark.parametrize("token", ["", "sample.AAAA", "碼", "\0"])
async def test_a_link_that_is_not_ours_is_over(visit: Visit, token: str):
    browser = await visit()
    for answer in (
        await browser.get("/not-mine", params={"token": token}),
        await browser.post("/not-mine", data={"token": token}),
    ):
        assert (answer.status_code, "這個連結已經過期了" in answer.text) == (404, True)


async def test_a_link_that_is_bindings_is_not_reviews(visit: Visit, review: Review):
    link = NotMine(kind="approved", about="binding", subject=str(uuid4()), at=datetime.now(UTC))
    token = make_token(review.from_binding, link)
    assert (await (await visit()).get(f"/not-mine?token={token}")).status_code == 404


async def test_a_link_works_for_its_life(binding: Binding, visit: Visit, review: Review, clock: Clock):
    assert binding
    token, browser = staff_link(review), await visit()
    await clock.shift(LIFE + timedelta(minutes=1))
    assert (await browser.post("/not-mine", data={"token": token})).status_code == 404


async def test_one_address_says_so_a_set_number_of_times_an_hour(visit: Visit, review: Review):
    token, browser = staff_link(review, "T-404"), await visit()
    most = review.settings.not_mine_per_address_hour
    assert {(await browser.post("/not-mine", data={"token": token})).status_code for _ in range(most)} == {200}
    refused = await browser.post("/not-mine", data={"token": token})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 3000
