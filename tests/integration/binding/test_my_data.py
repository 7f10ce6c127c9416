"""My data: read, taken along, and deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from binding_service.id_numbers import mask
from binding_service.retention import make_purges
from shared.database import Database
from shared.events import (
    AccountDeletionAsked,
    AccountHolder,
    BindingWithdrawn,
    GuardianObjected,
    ObjectionClosed,
    PersonForgotten,
)
from shared.purging import Report, purge
from support.accounts import FATHER, MOTHER, PASSWORD, father, mother, sign_in
from support.school import hear, unbinding
from support.town import LI, OTHER_PARENT_ID, PARENT_ID, SIGNATURE, WANG

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.databases import Clock, Databases
    from support.town import Town

PHONE = "+886912345678"
NEXT_EMAIL = "next@home.example"
TABLES = (
    "account_devices",
    "account_notices",
    "accounts",
    "applications",
    "application_contacts",
    "bindings",
    "contact_changes",
    "drafts",
    "objections",
    "paper_forms",
    "sessions",
)


async def purged(databases: Databases, town: Town) -> Report:
    """A run of the purge, as the service does it once an hour."""
    database = Database(databases.binding, pool_size=1)
    await database.open()
    try:
        done = await purge(database, make_purges(town.settings, town.keys))
    finally:
        await database.close()
    assert done is not None
    assert done.failed == []
    return done


async def everything(town: Town) -> str:
    """All rows of the tables that hold something about parents, with every seal of the store opened."""
    text = ""
    for table in TABLES:
        for row in await town.rows(f"SELECT * FROM binding.{table}"):  # noqa: S608 - names of ours
            text += str({key: value for key, value in row.items() if not key.endswith("_sealed")})
            text += "".join(opened(town, table, row, key) for key in row if key.endswith("_sealed") and row[key])
    return text


def opened(town: Town, table: str, row: dict[str, Any], column: str) -> str:
    """A sealed column."""
    if table == "drafts":
        return town.keys.store.unseal(row[column], f"drafts:{row['id']}")
    return town.keys.store.unseal(row[column], f"{table}:{row['id']}:{column.removesuffix('_sealed')}")


# --- read and taken along ---


async def test_the_page_shows_everything_with_the_id_number_masked_and_the_signature_drawn(town: Town) -> None:
    token = await mother(town)
    async with town.browser(token) as browser:
        page = (await browser.get("/account/data")).text
    number = await town.value("SELECT number FROM binding.applications")
    for words in (
        "林淑芬",
        MOTHER,
        "0912 345 678",
        number,
        LI.name,
        "127.0.0.1",
        '<path d="M431 97 L432 98',
        mask(PARENT_ID),
    ):
        assert words in page, words
    assert PARENT_ID not in page


async def test_the_file_has_all_of_it_and_asks_for_the_password(town: Town) -> None:
    token = await mother(town)
    await father(town)
    other = (await town.do("GET", "/account/family", token))[0]["guardians"][0]["binding_id"]
    await town.do("POST", f"/account/guardians/{other}/objections", token, reason="我不認識這個人")
    await town.fill_students(token, WANG)
    await town.do("POST", "/account/contacts/email", token, contact=NEXT_EMAIL, current=PASSWORD)
    async with town.browser(token) as browser:
        assert NEXT_EMAIL in (await browser.get("/account/data")).text
        for wrong in ("", "something else"):
            refused = await browser.post("/account/data", data={"password": wrong})
            assert refused.status_code == 422
            assert 'id="password-error"' in refused.text
            assert PARENT_ID not in refused.text
        file = await browser.post("/account/data", data={"password": PASSWORD})
    assert file.headers["content-disposition"] == 'attachment; filename="kinbind.json"'
    data = file.json()
    assert data == await town.do("POST", "/account/data", token, password=PASSWORD)
    assert (data["account"]["national_id"], data["account"]["login"]) == (PARENT_ID, MOTHER)
    (application,) = data["applications"]
    assert application["signature"]["strokes"] == SIGNATURE["strokes"]
    assert (application["national_id"], application["bindings"][0]["student"]) == (PARENT_ID, LI.name)
    assert [objection["reason"] for objection in data["objections"]] == ["我不認識這個人"]
    assert data["draft"]["students"][0]["student_id"] == WANG.id
    assert len(data["sessions"]) >= 1
    assert len(data["browsers"]) == 1
    assert {notice["kind"] for notice in data["notices"]} == {"password_changed", "new_device"}
    assert [(change["channel"], change["contact"]) for change in data["contact_changes"]] == [("email", NEXT_EMAIL)]
    for others in (OTHER_PARENT_ID, FATHER, "陳志明"):
        assert others not in file.text


async def test_nobody_reads_it_by_a_code_or_without_signing_in(town: Town) -> None:
    await mother(town)
    for token in (await town.sign_in(MOTHER), None):
        answer = await town.call("POST", "/account/data", token, password=PASSWORD)
        assert answer.status_code == 401
        async with town.browser(token) as browser:
            assert (await browser.get("/account/data")).headers["location"] == "/account/sign-in"


# --- deleted ---


async def test_the_deletion_asks_for_the_password_withdraws_what_waits_and_can_be_taken_back(town: Town) -> None:
    token, other = await mother(town), await sign_in(town)
    await town.fill_students(token, WANG)
    await town.fill(token, [], PARENT_ID)
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    async with town.browser(token) as browser:
        assert LI.name in (await browser.get("/account/delete")).text
        refused = await browser.post("/account/delete", data={"password": "wrong"})
        assert refused.status_code == 422
        assert await town.events(AccountDeletionAsked) == []
        asked = await browser.post("/account/delete", data={"password": PASSWORD})
        assert asked.headers["location"] == "/account"
        page = (await browser.get("/account")).text
        assert "取消刪除" in page
        assert WANG.name not in page
    (event,) = await town.events(AccountDeletionAsked)
    who = town.keys.to_notify.unseal_model(AccountHolder, event.data.for_notify, event.place("for_notify"))
    assert who.email == MOTHER
    assert len(await town.events(BindingWithdrawn)) == 1
    assert (await town.call("GET", "/account/family", other)).status_code == 401
    due = (await town.do("GET", "/account/deletion", await sign_in(town)))["due_at"]
    assert due is not None
    assert (await town.do("POST", "/account/deletion", token, password=PASSWORD))["due_at"] == due
    assert len(await town.events(AccountDeletionAsked)) == 1
    async with town.browser(await sign_in(town)) as browser:
        assert (await browser.post("/account/keep")).headers["location"] == "/account"
        assert "取消刪除" not in (await browser.get("/account")).text
    assert (await town.do("GET", "/account/deletion", token))["due_at"] is None


async def test_a_deleted_account_leaves_nothing_personal_and_everybody_is_told(
    town: Town, clock: Clock, databases: Databases
) -> None:
    token = await mother(town)
    await father(town)
    mine, theirs = [row["id"] for row in await town.rows("SELECT id FROM binding.bindings ORDER BY changed_at")]
    await town.do("POST", f"/account/guardians/{theirs}/objections", token, reason="我不認識這個人")
    await town.do("POST", "/account/deletion", token, password=PASSWORD)
    await town.fill_students(token, WANG)
    assert PARENT_ID in await everything(town)
    await clock.shift(timedelta(days=13))
    assert "accounts" not in (await purged(databases, town)).counts
    await clock.shift(timedelta(days=15))
    assert (await purged(databases, town)).counts["accounts"] == 1
    held = await everything(town)
    person = town.keys.hashes.digest("national-id", PARENT_ID)
    contact = town.keys.hashes.digest("contact", MOTHER)
    for personal in (PARENT_ID, "林淑芬", MOTHER, PHONE, "我不認識這個人", person, contact):
        assert personal not in held, personal
    for others in (OTHER_PARENT_ID, "陳志明", FATHER):
        assert others in held
    (event,) = await town.events(PersonForgotten)
    assert {bound.id: bound.version for bound in event.data.bindings} == {mine: 3}
    assert event.data.objection_ids == [UUID((await town.events(GuardianObjected))[0].subject)]
    who = town.keys.to_notify.unseal_model(AccountHolder, event.data.for_notify, event.place("for_notify"))
    assert who.email == MOTHER
    assert [closed.data.outcome for closed in await town.events(ObjectionClosed)] == ["withdrawn"]
    assert await town.state_of(str(mine)) == "withdrawn"
    assert await town.state_of(str(theirs)) == "approved"
    refused = await town.call("POST", "/account/sessions", login=MOTHER, password=PASSWORD)
    assert refused.status_code == 401
    assert (await town.call("GET", "/account/family", token)).status_code == 401


async def test_what_still_comes_about_who_is_forgotten_is_taken_and_changes_nothing(
    town: Town, clock: Clock, databases: Databases
) -> None:
    token = await mother(town)
    (binding_id,) = [str(row["id"]) for row in await town.rows("SELECT id FROM binding.bindings")]
    await town.do("POST", "/account/deletion", token, password=PASSWORD)
    await clock.shift(timedelta(days=15))
    await purged(databases, town)
    await hear(town, unbinding(town, binding_id, "太晚"), town.decision(binding_id))
    assert await town.state_of(binding_id) == "withdrawn"
    assert len(await town.events(PersonForgotten)) == 1


async def test_whose_account_was_deleted_may_apply_again(town: Town, clock: Clock, databases: Databases) -> None:
    token = await mother(town)
    await town.do("POST", "/account/deletion", token, password=PASSWORD)
    await clock.shift(timedelta(days=15))
    await purged(databases, town)
    await clock.shift(timedelta(days=15, hours=2))
    again = await town.open_account()
    assert [each["state"] for each in await town.bindings(again)] == ["approved"]


async def test_passwords_that_are_asked_for_again_are_limited(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 2})
    token = await mother(town)
    for path in ("/account/data", "/account/deletion"):
        answer = await town.call("POST", path, token, password="wrong")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "password")
    limited = await town.call("POST", "/account/data", token, password=PASSWORD)
    assert (limited.status_code, limited.json()["code"]) == (429, "limited")
    assert int(limited.headers["retry-after"]) > 3000
