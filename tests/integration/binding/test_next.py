"""Where a sign-in leads: to the page that a mail links to, and to nothing that a stranger wrote into a link."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from notify_service.domain import Kind
from notify_service.notices import Notices
from shared.events import GuardianBound, GuardianToTell
from support.accounts import MOTHER, PASSWORD, father, mother
from support.town import PARENT_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from support.town import Town

ELSEWHERE = [
    "https://evil.example/account/children/{id}/objection",
    "//evil.example/account/children/{id}/objection",
    "/\\evil.example/account/children/{id}/objection",
    "/account/children/{id}/objection@evil.example",
    "/account/children/{id}/objection\n",
    "/account/children/{id}/objection\r\nset-cookie: a=b",
    "/account/children/{id}/objection?next=//evil.example",
    "/account/children/{id}/../../objection",
    "/account/children//evil.example/objection",
    "javascript:alert(1)",
    "/account/delete",
    "/sign-out",
    "",
]


async def objection_in_the_mail(town: Town) -> str:
    """The link of the mail that tells the mother of the father."""
    (event,) = await town.events(GuardianBound)
    told = town.keys.to_notify.unseal_model(GuardianToTell, event.data.for_notify, event.place("for_notify"))
    values = told.model_dump() | {"binding_id": event.data.binding_id, "not_mine_token": ""}
    letter = Notices(town.url, "").mail(Kind.GUARDIAN_BOUND, told.email, "zh-TW", **values)
    (link,) = [word for word in letter.text.split() if word.startswith(town.url) and word.endswith("/objection")]
    return link


async def sent(browser: httpx.AsyncClient, address: str, **form: str) -> str:
    """Send a page's form to the page's own address; where the answer leads."""
    assert 'method="post" class="card"' in (await browser.get(address)).text, "the form has an address of its own"
    answer = await browser.post(address, data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_the_mail_leads_by_way_of_signing_in_to_the_objection(town: Town) -> None:
    await mother(town)
    await father(town)
    link = await objection_in_the_mail(town)
    async with town.browser() as browser:
        sign_in = (await browser.get(link)).headers["location"]
        assert urlsplit(sign_in).path == "/account/sign-in"
        wrong = await browser.post(sign_in, data={"login": MOTHER, "password": "wrong"})
        assert f"/account/forgot?next={urlsplit(link).path}" in wrong.text
        assert await sent(browser, sign_in, login=MOTHER, password=PASSWORD) == urlsplit(link).path
        page = await browser.get(link)
        assert (page.status_code, "向學校提出異議" in page.text) == (200, True)


async def test_who_forgot_the_password_comes_to_the_objection_by_a_code(town: Town) -> None:
    await mother(town)
    await father(town)
    path = urlsplit(await objection_in_the_mail(town)).path
    async with town.browser() as browser:
        assert await sent(browser, f"/account/forgot?next={path}", email=MOTHER) == "/code"
        choose = (await browser.post("/code", data={"code": await town.code_for(MOTHER)})).headers["location"]
        new = "another long walk"
        assert await sent(browser, choose, password=new, repeated=new) == path
        assert (await browser.get(path)).status_code == 200


async def test_who_still_has_the_first_password_changes_it_and_comes_to_the_objection(town: Town) -> None:
    await town.open_account(MOTHER)
    await father(town)
    path = urlsplit(await objection_in_the_mail(town)).path
    async with town.browser() as browser:
        sign_in = (await browser.get(path)).headers["location"]
        assert await sent(browser, sign_in, login=MOTHER, password=PARENT_ID[-6:]) == path
        change = (await browser.get(path)).headers["location"]
        assert await sent(browser, change, password=PASSWORD, repeated=PASSWORD) == path
        assert (await browser.get(path)).status_code == 200


async def test_a_login_by_code_for_something_else_does_not_end_at_a_link_that_was_opened_before(town: Town) -> None:
    async with town.browser() as browser:
        await browser.get(f"/account/children/{uuid4()}/objection")
        await browser.post("/", data={"channel": "email", "email": "new@example.org"})
        answer = await browser.post("/code", data={"code": await town.code_for("new@example.org")})
        assert answer.headers["location"] == "/students"


async def test_no_link_of_a_stranger_leads_elsewhere_by_a_sign_in(town: Town) -> None:
    await mother(town)
    for template in ELSEWHERE:
        somewhere = {"next": template.format(id=uuid4())}
        async with town.browser() as browser:
            assert "?next=" not in (await browser.get("/account/sign-in", params=somewhere)).text, template
            form = {"login": MOTHER, "password": PASSWORD}
            answer = await browser.post("/account/sign-in", params=somewhere, data=form)
            assert answer.headers["location"] == "/account", template


async def test_nor_by_a_new_password(town: Town) -> None:
    token = await mother(town)
    async with town.browser(token) as browser:
        for number, template in enumerate(ELSEWHERE[:3]):
            form = {"current": PASSWORD, "password": f"{PASSWORD}{number}", "repeated": f"{PASSWORD}{number}"}
            form["current"] += str(number - 1) if number else ""
            somewhere = {"next": template.format(id=uuid4())}
            answer = await browser.post("/account/password", params=somewhere, data=form)
            assert answer.headers["location"] == "/account/security?changed=1", template


async def test_nor_by_a_code(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(otp={"contact_per_hour": 99, "contact_per_day": 99})
    # What breaks a line can't be a cookie's value.
    for template in (template for template in ELSEWHERE if template.isprintable()):
        somewhere = template.format(id=uuid4())
        async with town.browser() as browser:
            await browser.post("/account/forgot", params={"next": somewhere}, data={"email": MOTHER})
            assert browser.cookies["kinbind-return"].strip('"') == "/account/password", template
            del browser.cookies["kinbind-return"]
            browser.cookies.set("kinbind-return", f'"/account/password?next={somewhere}"')
            answer = await browser.post("/code", data={"code": await town.code_for(MOTHER)})
            assert answer.headers["location"] == "/students", template
