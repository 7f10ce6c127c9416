from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.events import (
    AccountOpened,
    ApplicationSubmitted,
    ApplicationToAcknowledge,
    BindingApproved,
    BindingSubmitted,
    PaperApplicationRejected,
    Signature,
)
from support.school import ADMINISTRATOR, PAPER_PARENT_ID, add_staff, hear, paper_entry, submitted, unbind
from support.town import LI, PARENT_ID, SIGNATURE, WANG, Town

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EMAIL, PHONE = "paper@example.org", "+886987654321"
WRONG_DIGIT = PAPER_PARENT_ID[:-1] + str((int(PAPER_PARENT_ID[-1]) + 1) % 10)


@pytest.fixture
async def town(open_town: Callable[..., Awaitable[Town]]) -> Town:
    """A town with administrators of both schools."""
    town = await open_town()
    await add_staff(town, ADMINISTRATOR, role="administrator")
    await add_staff(town, "A-2", role="administrator", school="S-2")
    await add_staff(town, "A-3", role="administrator", active=False)
    await add_staff(town, "T-1")
    return town


async def problems(town: Town) -> list[dict[str, str]]:
    """What was said of each entry that was rejected."""
    return [event.data.problems for event in await town.events(PaperApplicationRejected)]


async def test_an_entry_becomes_an_application_that_is_marked_as_on_paper(town: Town) -> None:
    entry_id = uuid4()
    await hear(town, paper_entry(town, entry_id=entry_id, relation="other", relation_text=" 舅舅 "))
    assert await problems(town) == []
    ((event, part),) = await submitted(town)
    data = event.data
    assert (data.on_paper, data.paper_entry_id, data.document_hash, data.version) == (True, entry_id, "", 1)
    assert (data.student_id, data.school_id, data.relation, data.statement_version) == (
        LI.id,
        LI.school_id,
        "other",
        "2026-12",
    )
    assert (part.parent_name, part.national_id, part.email, part.phone) == ("李大同", PAPER_PARENT_ID, EMAIL, PHONE)
    assert (part.relation_text, part.signature) == ("舅舅", Signature())
    kept = (await town.rows("SELECT entered_by, signed_on, problems FROM binding.paper_entries"))[0]
    assert kept == {"entered_by": ADMINISTRATOR, "signed_on": date(2026, 11, 20), "problems": None}


async def test_nothing_of_an_application_on_paper_is_taken_for_proven_or_signed_here(town: Town) -> None:
    await hear(town, paper_entry(town))
    columns = ("contact_hash", "idempotency_key", "consented_at", "consent_address", "signature_sealed", "signed_hash")
    row = (await town.rows("SELECT * FROM binding.applications"))[0]
    assert [row[column] for column in columns] == [None] * 6
    reach = await town.rows("SELECT contact_hash, proven FROM binding.application_contacts")
    digest = town.keys.hashes.digest
    assert {each["contact_hash"]: each["proven"] for each in reach} == {
        digest("contact", EMAIL): False,
        digest("contact", PHONE): False,
    }


async def test_its_parent_gets_the_usual_mail(town: Town) -> None:
    await hear(town, paper_entry(town, language="vi"))
    (event,) = await town.events(ApplicationSubmitted)
    place = event.place("for_notify")
    part = town.keys.to_notify.unseal_model(ApplicationToAcknowledge, event.data.for_notify, place)
    assert (event.data.language, part.email, part.parent_name) == ("vi", EMAIL, "李大同")
    assert [(student.name, student.school) for student in part.students] == [(LI.name, "中正國小")]


async def test_its_parent_follows_it_and_has_no_form_of_it(town: Town) -> None:
    await hear(town, paper_entry(town))
    for contact in (EMAIL, PHONE):
        token = await town.sign_in(contact)
        (shown,) = await town.bindings(token)
        assert (shown["state"], shown["on_paper"], shown["has_paper_form"]) == ("pending", True, False)
        form = await town.call("GET", f"/applications/{shown['application_id']}/form", token)
        assert form.status_code == 404
        async with town.browser(token) as browser:
            page = (await browser.get("/progress")).text
        assert "登錄您的紙本申請" in page
        assert "下載留存紙本申請書" not in page


async def test_its_parent_can_withdraw_it_and_add_a_child_online(town: Town) -> None:
    await hear(town, paper_entry(town))
    token = await town.sign_in(EMAIL)
    await town.fill(token, [WANG], PAPER_PARENT_ID, {"name": "李大同", "email": EMAIL, "phone": PHONE})
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    first, second = await town.bindings(token)
    await town.do("DELETE", f"/bindings/{first['id']}", token)
    assert [each["id"] for each in await town.bindings(token)] == [second["id"]]


async def test_its_approval_opens_the_account(town: Town) -> None:
    await hear(town, paper_entry(town))
    ((event, _),) = await submitted(town)
    await town.decided(event.subject)
    assert len(await town.events(AccountOpened)) == 1
    signed_in = await town.call("POST", "/account/sessions", login=EMAIL, password=PAPER_PARENT_ID[-6:])
    assert signed_in.status_code == 201


async def test_the_account_of_the_person_is_used(town: Town) -> None:
    await town.open_account("lin@example.org")
    await hear(town, paper_entry(town, WANG, entered_by="A-2", national_id=PARENT_ID.lower()))
    _, (event, part) = await submitted(town)
    assert (part.parent_name, part.email, part.phone) == ("林淑芬", "lin@example.org", "+886912345678")
    await town.decided(event.subject)
    assert await town.value("SELECT count(*) FROM binding.accounts") == 1


WRONG = [
    ({"national_id": "A12"}, {"national_id": "bad_id_number"}),
    (
        {"national_id": PAPER_PARENT_ID[:-1] + str((int(PAPER_PARENT_ID[-1]) + 1) % 10)},
        {"national_id": "bad_id_number"},
    ),
    ({"national_id": " "}, {"national_id": "required"}),
    ({"parent_name": " "}, {"parent_name": "bad_name"}),
    ({"parent_name": "長" * 51}, {"parent_name": "bad_name"}),
    ({"email": "paper at home"}, {"email": "bad_email"}),
    ({"email": ""}, {"email": "required"}),
    ({"phone": "12"}, {"phone": "bad_phone"}),
    ({"relation": "other"}, {"relation_text": "relation_text"}),
    ({"student_id": "P-9"}, {"student": "no_match"}),
    ({"student_id": WANG.id}, {"student": "no_match"}),
    ({"statement_version": "2020-01"}, {"statement_version": "unknown_statement"}),
    ({"statement_version": "../statements/2026-12"}, {"statement_version": "unknown_statement"}),
    ({"signed_on": date(2999, 1, 1)}, {"signed_on": "in_future"}),
    *(({"entered_by": id_}, {"entered_by": "not_administrator"}) for id_ in ("T-1", "A-2", "A-3", "A-9")),
    (
        {"national_id": "x", "parent_name": "", "email": "x", "phone": "x", "student_id": "P-9", "entered_by": "T-1"},
        {
            "national_id": "bad_id_number",
            "parent_name": "bad_name",
            "email": "bad_email",
            "phone": "bad_phone",
            "student": "no_match",
            "entered_by": "not_administrator",
        },
    ),
]


async def test_what_is_wrong_is_told_by_field_and_nothing_is_kept_of_the_person(town: Town) -> None:
    for changes, expected in WRONG:
        await hear(town, paper_entry(town, **changes))
        assert (await problems(town))[-1] == expected
    assert await town.value("SELECT count(*) FROM binding.applications") == 0
    for told in await town.events(PaperApplicationRejected):
        for secret in (PAPER_PARENT_ID, EMAIL, "李大同"):
            assert secret not in told.model_dump_json()


async def test_a_student_who_left_the_roster_is_not_found(town: Town) -> None:
    await town.db.execute("UPDATE binding.students SET active = false WHERE id = $1", LI.id)
    await hear(town, paper_entry(town))
    assert await problems(town) == [{"student": "no_match"}]


async def test_a_child_that_the_person_waits_for_or_has_is_refused(town: Town) -> None:
    token = await town.apply()
    await hear(town, paper_entry(town, national_id=PARENT_ID, email="lin@example.org"))
    await town.decided((await town.bindings(token))[0]["id"])
    await hear(town, paper_entry(town, national_id=PARENT_ID, email="lin@example.org"))
    assert await problems(town) == [{"student": "student_known"}] * 2


async def test_an_email_that_is_another_persons_login_is_refused(town: Town) -> None:
    await town.open_account("lin@example.org")
    await hear(town, paper_entry(town, email="Lin@Example.org"))
    assert await problems(town) == [{"email": "email_taken"}]


# --- once ---


async def test_two_entries_of_one_person_and_child_at_once_make_one_application(town: Town) -> None:
    await hear(town, *(paper_entry(town) for _ in range(4)))
    assert await town.value("SELECT count(*) FROM binding.applications") == 1
    assert await problems(town) == [{"student": "student_known"}] * 3


async def test_an_entry_that_comes_again_makes_no_second_application_and_gets_the_same_answer(town: Town) -> None:
    entry_id = uuid4()
    first = paper_entry(town, entry_id=entry_id)
    body = first.model_dump_json().encode()
    await asyncio.gather(*(town.publish(body, first.TYPE) for _ in range(3)))
    await hear(town, *(paper_entry(town, entry_id=entry_id) for _ in range(3)))
    assert await town.value("SELECT count(*) FROM binding.applications") == 1
    told = await town.events(BindingSubmitted)
    assert len(told) == 4
    assert {(event.subject, event.data.version, event.data.paper_entry_id) for event in told} == {
        (told[0].subject, 1, entry_id)
    }
    assert len(await town.events(ApplicationSubmitted)) == 1
    assert await problems(town) == []


async def test_what_was_rejected_stays_rejected_when_it_comes_again(town: Town) -> None:
    entry_id = uuid4()
    await hear(town, paper_entry(town, entry_id=entry_id, email="x"))
    await hear(town, paper_entry(town, entry_id=entry_id))
    assert await problems(town) == [{"email": "bad_email"}] * 2
    assert await town.value("SELECT count(*) FROM binding.applications") == 0


async def test_an_entry_that_comes_again_when_all_is_over_ends_where_it_was(town: Town) -> None:
    entry_id = uuid4()
    await hear(town, paper_entry(town, entry_id=entry_id))
    ((event, _),) = await submitted(town)
    await town.decided(event.subject)
    await hear(town, paper_entry(town, entry_id=entry_id))
    assert [told.data.version for told in await town.events(BindingSubmitted)] == [1, 1]
    assert [told.data.version for told in await town.events(BindingApproved)] == [2, 2]
    assert await town.state_of(event.subject) == "approved"


async def test_an_application_on_paper_can_be_unbound_like_any_other(town: Town) -> None:
    await hear(town, paper_entry(town))
    ((event, _),) = await submitted(town)
    await town.decided(event.subject)
    await unbind(town, event.subject)
    assert await town.state_of(event.subject) == "revoked"
