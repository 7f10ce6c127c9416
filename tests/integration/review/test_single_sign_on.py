"""Single sign-on, at a provider that others wrote."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from local_stack.processes import free_port
from review_service.accounts import single_sign_on, staff
from review_service.app import make_app
from review_service.context import OPERATOR
from review_service.settings import Settings
from shared.settings import SettingsError
from support.openid import NoNodeError, OpenIdProvider, running_provider
from support.production import SERVERS

if TYPE_CHECKING:
    from httpx import Response
    from starlette.applications import Starlette
    from tests.integration.review.conftest import Binding, Query, Visit

    from review_service.context import Review

REVIEW = "http://review.test"
CLIENTS = [
    {
        "client_id": client_id,
        "redirect_uris": [f"{REVIEW}/sign-in/return"],
        "post_logout_redirect_uris": [f"{REVIEW}/sign-in"],
        **more,
    }
    for client_id, more in {
        "review": {"client_secret": "between review and provider: 1+1"},
        "review-public": {"token_endpoint_auth_method": "none"},
    }.items()
]
ACCOUNTS = {
    "lin": {"email": "Lin@School.example", "email_verified": True, "name": "林老師"},
    "T-1": {"email": "nobody@school.example"},
    "unproven": {"email": "lin@school.example", "email_verified": False},
    "stranger": {"email": "stranger@school.example", "email_verified": True},
    "two": {"email": "two@school.example", "email_verified": True},
    "nameless": {},
}

FORM = re.compile(r'action="([^"]+)" method="post">\s*<input type="hidden" name="prompt" value="(\w+)"')
Browse = Callable[[], httpx.AsyncClient]


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    """Npm's oidc-provider. Where no Node.js can be had, the test is skipped, and says so."""
    try:
        with running_provider(CLIENTS, ACCOUNTS) as provider:
            yield provider
    except NoNodeError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def settings(dsn: str, provider: OpenIdProvider) -> Settings:
    """With a provider and with local accounts."""
    return Settings(
        database_url=SecretStr(dsn),
        public_url=REVIEW,
        oidc_issuer=provider.issuer,
        oidc_client_id="review",
        oidc_client_secret=SecretStr("between review and provider: 1+1"),
        oidc_name="臺北市校園單一身分驗證",
    )


@pytest.fixture
async def browse(app: Starlette) -> AsyncIterator[Browse]:
    """Browsers that reach both the app and the provider, each with cookies of its own."""
    async with AsyncExitStack() as stack:
        opened: list[httpx.AsyncClient] = []

        def browse() -> httpx.AsyncClient:
            mounts = {REVIEW: httpx.ASGITransport(app)}
            opened.append(httpx.AsyncClient(mounts=mounts, base_url=REVIEW, headers={"origin": REVIEW}))
            stack.push_async_callback(opened[-1].aclose)
            return opened[-1]

        yield browse


@pytest.fixture
async def lin(binding: Binding) -> None:
    """T-1 has an e-mail that nobody else has; two others share one."""
    await binding.tell(binding.teacher("T-1", revision=2, email="lin@school.example"))
    for teacher_id in ("T-2", "T-3"):
        await binding.tell(binding.teacher(teacher_id, revision=2, email="two@school.example"))


async def go_to_provider(browser: httpx.AsyncClient, next_: str = "/") -> str:
    """Where the sign-in page's link leads."""
    page = (await browser.get("/sign-in", params={"next": next_})).text
    link = re.search(r'href="(/sign-in/sso[^"]*)"', page)
    assert link
    answer = await browser.get(link[1])
    assert answer.status_code == 303
    return answer.headers["location"]


async def sign_in_there(browser: httpx.AsyncClient, address: str, login: str) -> str:
    """Type the login, consent; the address to which the provider sends the browser back."""
    answer = await browser.get(address)
    for _ in range(10):
        while answer.is_redirect:
            if answer.headers["location"].startswith(REVIEW):
                return answer.headers["location"]
            answer = await browser.get(answer.url.join(answer.headers["location"]))
        form = re.search(
            r'action="([^"]+)" method="post">\s*<input type="hidden" name="prompt" value="(\w+)"', answer.text
        )
        assert form, answer.text
        answer = await browser.post(form[1], data={"prompt": form[2], "login": login, "password": "any"})
    pytest.fail("the provider never sent the browser back")


async def sign_in(browser: httpx.AsyncClient, login: str, next_: str = "/") -> Response:
    return await browser.get(await sign_in_there(browser, await go_to_provider(browser, next_), login))


@pytest.mark.usefixtures("lin")
async def test_a_teacher_signs_in_at_the_provider_and_comes_back_to_where_they_were_going(
    browse: Browse, binding: Binding, query: Query, capsys: pytest.CaptureFixture[str]
):
    path = f"/applications/{await binding.submit()}"
    browser = browse()
    back = await sign_in_there(browser, await go_to_provider(browser, path), "lin")
    answer = await browser.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "王大明" in (await browser.get(path)).text
    rows = await query("SELECT teacher_id, action, subject FROM audit WHERE action = 'signed-in'")
    assert [tuple(row) for row in rows] == [("T-1", "signed-in", "T-1")]
    assert "以單一登入使用" in (await browser.get("/account")).text
    said = capsys.readouterr().out
    assert "teacher signed in" in said
    secrets = [value for values in parse_qs(urlsplit(back).query).values() for value in values]
    for secret in ("lin@school", "Lin@School", "林老師", *secrets[:2]):
        assert secret not in said
    assert "lin@school" not in str(await query("SELECT * FROM teachers")).lower()


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/sign-out"])
@pytest.mark.usefixtures("lin")
async def test_single_sign_on_leads_to_our_own_pages_only(browse: Browse, next_: str):
    assert (await sign_in(browse(), "lin", next_)).headers["location"] == "/"


@pytest.mark.usefixtures("lin")
async def test_the_provider_is_asked_with_pkce_state_and_nonce_that_are_never_the_same(browse: Browse):
    asked = [parse_qs(urlsplit(await go_to_provider(browse())).query) for _ in range(2)]
    for query in asked:
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert query["redirect_uri"] == [f"{REVIEW}/sign-in/return"]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) >= 43


async def test_a_public_client_and_a_teacher_by_id(dsn: str, provider: OpenIdProvider, binding: Binding):
    settings = Settings(
        database_url=SecretStr(dsn),
        public_url=f"{REVIEW}/",
        oidc_issuer=provider.issuer,
        oidc_client_id="review-public",
        oidc_claim="sub",
        oidc_teacher="id",
        local_accounts=False,
    )
    app = make_app(settings)
    await app.state.site.review.database.open()
    async with httpx.AsyncClient(mounts={REVIEW: httpx.ASGITransport(app)}, base_url=REVIEW) as browser:
        page = (await browser.get("/sign-in")).text
        assert "單一登入" in page
        assert 'name="password"' not in page
        refused = await browser.post("/sign-in", data={"username": "a", "password": "b"}, headers={"origin": REVIEW})
        assert "set-cookie" not in refused.headers
        assert (await sign_in(browser, "T-1")).headers["location"] == "/"
        assert "老師T-1" in (await browser.get("/")).text
    await app.state.site.review.database.close()
    assert binding


@pytest.mark.parametrize(
    ("login", "message"),
    [
        ("stranger", "目前沒有對應的在職教師資料"),
        ("two", "目前沒有對應的在職教師資料"),
        ("nameless", "目前沒有對應的在職教師資料"),
        ("unproven", "身分資料無法確認"),
    ],
)
@pytest.mark.usefixtures("lin")
async def test_who_is_no_teacher_of_ours_gets_a_clear_sentence(browse: Browse, query: Query, login: str, message: str):
    answer = await sign_in(browse(), login)
    assert answer.status_code == 403
    assert message in answer.text
    assert "school.example" not in answer.text
    assert await query("SELECT 1 FROM sessions") == []


@pytest.mark.usefixtures("lin")
async def test_who_left_the_school_does_not_come_in(browse: Browse, binding: Binding):
    await binding.tell(binding.teacher("T-1", revision=3, active=False, email="lin@school.example"))
    assert (await sign_in(browse(), "lin")).status_code == 403


@pytest.mark.usefixtures("lin")
async def test_a_closed_account_is_closed_for_single_sign_on_too(browse: Browse, review: Review, query: Query):
    browser = browse()
    await sign_in(browser, "lin")
    await staff.close(review, OPERATOR, "T-1")
    assert (await browser.get("/")).status_code == 303
    answer = await sign_in(browser, "lin")
    assert answer.status_code == 403
    assert "這個帳號已由學校停用" in answer.text
    refused = await query("SELECT teacher_id, school_id, subject FROM audit WHERE action = 'sign-in.refused'")
    assert [tuple(row) for row in refused] == [("", "S-1", "T-1")]
    await staff.reopen(review, OPERATOR, "T-1")
    assert (await sign_in(browser, "lin")).status_code == 303


@pytest.mark.usefixtures("lin")
async def test_the_administrator_sees_who_uses_single_sign_on(browse: Browse, visit: Visit):
    await sign_in(browse(), "lin")
    page = (await (await visit("A-1")).get("/staff")).text
    row = re.search(r"<h2>老師T-1</h2>.*?</li>", page, re.DOTALL)
    assert row
    assert "單一登入" in row[0]
    assert "上次登入" in row[0]


@pytest.mark.usefixtures("lin")
async def test_an_answer_of_the_provider_is_good_once(browse: Browse, query: Query):
    browser = browse()
    back = await sign_in_there(browser, await go_to_provider(browser), "lin")
    assert (await browser.get(back)).status_code == 303
    again = await browser.get(back)
    assert again.status_code == 403
    assert "單一登入沒有完成" in again.text
    assert len(await query("SELECT 1 FROM sessions")) == 1


@pytest.mark.usefixtures("lin")
async def test_an_answer_is_good_in_the_browser_that_asked_only(browse: Browse, query: Query):
    asker, other = browse(), browse()
    back = await sign_in_there(asker, await go_to_provider(asker), "lin")
    await go_to_provider(other)  # it has a mark too, another one
    assert (await other.get(back)).status_code == 403
    assert (await browse().get(back)).status_code == 403
    assert await query("SELECT 1 FROM sessions") == []


@pytest.mark.usefixtures("lin")
async def test_two_tabs_may_sign_in_at_once(browse: Browse):
    browser = browse()
    first, second = await go_to_provider(browser), await go_to_provider(browser)
    assert (await browser.get(await sign_in_there(browser, second, "lin"))).status_code == 303
    assert (await browser.get(await sign_in_there(browser, first, "lin"))).status_code == 303


@pytest.mark.parametrize(
    ("name", "value"), [("state", "another"), ("code", "another"), ("iss", "http://127.0.0.1:1"), ("iss", None)]
)
@pytest.mark.usefixtures("lin")
async def test_an_answer_that_was_changed_on_the_way_is_refused(
    browse: Browse, query: Query, name: str, value: str | None
):
    browser = browse()
    back = httpx.URL(await sign_in_there(browser, await go_to_provider(browser), "lin"))
    assert name in back.params
    changed = back.copy_set_param(name, value) if value else back.copy_remove_param(name)
    assert (await browser.get(changed)).status_code == 403
    assert await query("SELECT 1 FROM sessions") == []


@pytest.mark.usefixtures("lin")
async def test_a_sign_in_that_takes_too_long_begins_anew(browse: Browse, query: Query):
    browser = browse()
    back = await sign_in_there(browser, await go_to_provider(browser), "lin")
    await query("UPDATE sign_ins_under_way SET expires_at = present() - interval '1 second'")
    answer = await browser.get(back)
    assert answer.status_code == 403
    assert "單一登入沒有完成" in answer.text


@pytest.mark.usefixtures("lin")
async def test_a_stranger_cannot_begin_sign_ins_without_end(
    browse: Browse, query: Query, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(single_sign_on, "MOST_FROM_ADDRESS", 2)
    browser = browse()
    statuses = [(await browser.get("/sign-in/sso")).status_code for _ in range(4)]
    assert statuses == [303, 303, 429, 429]
    assert len(await query("SELECT 1 FROM sign_ins_under_way")) == 2


@pytest.mark.usefixtures("lin")
async def test_who_turns_back_at_the_provider_is_told_so(browse: Browse):
    browser = browse()
    address = await go_to_provider(browser)
    state = parse_qs(urlsplit(address).query)["state"][0]
    answer = await browser.get("/sign-in/return", params={"error": "access_denied", "state": state})
    assert answer.status_code == 403
    assert "單一登入沒有完成" in answer.text


@pytest.mark.usefixtures("lin")
async def test_new_keys_of_the_provider_are_taken_at_once(browse: Browse, provider: OpenIdProvider):
    assert (await sign_in(browse(), "lin")).status_code == 303
    provider.rotate_keys()
    assert (await sign_in(browse(), "lin")).status_code == 303


@pytest.mark.usefixtures("lin")
async def test_signing_out_leads_to_signing_out_at_the_provider_too(browse: Browse, query: Query):
    browser = browse()
    await sign_in(browser, "lin")
    answer = await browser.post("/sign-out")
    assert answer.headers["location"] == "/signed-out"
    assert await query("SELECT 1 FROM sessions") == []
    link = re.search(r'href="(http://127[^"]+)"', (await browser.get("/signed-out")).text)
    assert link
    assert "id_token_hint" not in link[1]
    page = (await browser.get(link[1].replace("&amp;", "&"))).text
    form = re.search(r'action="([^"]+)".*name="xsrf" value="([^"]+)"', page, re.DOTALL)
    assert form, page
    answer = await browser.post(form[1], data={"xsrf": form[2], "logout": "yes"})
    assert answer.headers["location"].startswith(f"{REVIEW}/sign-in")
    assert "Enter any login" in (await browser.get(await go_to_provider(browser), follow_redirects=True)).text


async def test_a_provider_that_is_away_is_a_clear_page_and_local_accounts_still_work(dsn: str, binding: Binding):
    assert binding
    settings = Settings(
        database_url=SecretStr(dsn),
        public_url=REVIEW,
        oidc_issuer=f"http://127.0.0.1:{free_port()}",
        oidc_client_id="review",
    )
    app = make_app(settings)
    review = app.state.site.review
    await review.database.open()
    account = staff.NewAccount("T-1", "lin", "a long enough one", must_change=False)
    await staff.open_account(review, OPERATOR, account)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=REVIEW, headers={"origin": REVIEW}) as browser:
        answer = await browser.get("/sign-in/sso")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "單一登入系統目前沒有回應" in answer.text
        answer = await browser.post("/sign-in", data={"username": "lin", "password": "a long enough one"})
        assert answer.status_code == 303
    await review.database.close()


async def test_without_a_provider_there_is_no_way_to_it(dsn: str):
    app = make_app(Settings(database_url=SecretStr(dsn)))
    await app.state.site.review.database.open()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=REVIEW) as browser:
        assert (await browser.get("/sign-in/sso")).status_code == 404
        assert "/sign-in/sso" not in (await browser.get("/sign-in")).text
    await app.state.site.review.database.close()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"local_accounts": False}, "nobody could sign in"),
        ({"oidc_issuer": "https://id.example"}, "REVIEW_OIDC_CLIENT_ID and REVIEW_PUBLIC_URL must be set"),
        (
            {
                "oidc_issuer": "http://id.example",
                "oidc_client_id": "review",
                "public_url": "https://review.example",
                "environment": "production",
                "parents_url": "https://parents.example",
                **SERVERS,
            },
            "https://",
        ),
    ],
)
def test_a_service_in_which_nobody_could_sign_in_safely_does_not_start(values: dict[str, object], said: str):
    with pytest.raises(SettingsError, match=said):
        Settings(**values).check_ways_in()
