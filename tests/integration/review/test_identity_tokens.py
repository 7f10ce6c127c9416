"""What an OpenID provider says is believed only where all of it holds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from pydantic import SecretStr

from review_service.accounts import provider as provider_module
from review_service.settings import Settings
from support.lying_provider import EC, ED, OTHER_RSA, PUBLISHED, RSA, LyingProvider
from support.serving import serving

if TYPE_CHECKING:
    from httpx import Response
    from starlette.applications import Starlette
    from tests.integration.review.conftest import Binding, Query

REVIEW = "http://review.test"

Change = Callable[[LyingProvider], None]


@pytest.fixture
async def liar() -> AsyncIterator[LyingProvider]:
    """A provider that is sound until a test changes it."""
    liar = LyingProvider("review")
    async with serving(liar.app()) as address:
        liar.issuer = address
        yield liar


@pytest.fixture
def settings(dsn: str, liar: LyingProvider) -> Settings:
    """With that provider."""
    return Settings(
        database_url=SecretStr(dsn), public_url=REVIEW, oidc_issuer=liar.issuer, oidc_client_id=liar.client_id
    )


@pytest.fixture
async def browser(app: Starlette, binding: Binding) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the app; T-1 is the teacher whom the provider names."""
    await binding.tell(binding.teacher("T-1", revision=2, email="lin@school.example"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=REVIEW) as browser:
        yield browser


async def sign_in(browser: httpx.AsyncClient, liar: LyingProvider) -> Response:
    """Sign in at a provider that sends the browser back at once."""
    asked = await browser.get("/sign-in/sso")
    query = parse_qs(urlsplit(asked.headers["location"]).query)
    liar.nonce = query["nonce"][0]
    return await browser.get("/sign-in/return", params={"code": "any", "state": query["state"][0]})


def signed(key: Any, kid: str, algorithm: str) -> Change:  # noqa: ANN401 - PyJWT takes keys of many kinds
    """The ID token is signed like this."""

    def change(liar: LyingProvider) -> None:
        liar.key, liar.kid, liar.algorithm = key, kid, algorithm

    return change


def claiming(**claims: object) -> Change:
    """The ID token has these claims; None: it lacks it."""
    return lambda liar: liar.claims.update(claims)


def timed(**seconds: int) -> Change:
    """The ID token has these times, in seconds from now."""
    return lambda liar: liar.claims.update({name: int(time.time()) + by for name, by in seconds.items()})


def published(**changes: object) -> Change:
    """The keys are published with these members."""
    return lambda liar: liar.published.update(changes)


def named_by_userinfo(sub: str) -> Change:
    """The e-mail stands at the userinfo endpoint only."""

    def change(liar: LyingProvider) -> None:
        liar.claims["email"] = None
        liar.userinfo = {"sub": sub, "email": "lin@school.example"}

    return change


def forged(liar: LyingProvider) -> None:
    """An HMAC with the published key as its secret. PyJWT does not make one, so it is made by hand."""
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    liar.key, liar.algorithm = "x" * 32, "HS256"
    head, body, _ = liar._sign().split(".")
    mark = jwt.utils.base64url_encode(algorithm.sign(f"{head}.{body}".encode(), PUBLISHED)).decode()
    liar.token = f"{head}.{body}.{mark}"


SOUND: dict[str, Change] = {
    "as it is": claiming(),
    "PS256": signed(RSA, "rsa", "PS256"),
    "ES256": signed(EC, "ec", "ES256"),
    "EdDSA": signed(ED, "ed", "EdDSA"),
    "for several, to us": claiming(aud=["review", "another"], azp="review"),
    "a clock that goes wrong by half a minute": timed(exp=-10, iat=10),
    "the e-mail by userinfo": named_by_userinfo("lin"),
}
UNSOUND: dict[str, Change] = {
    "another nonce": claiming(nonce="another"),
    "no nonce": claiming(nonce=None),
    "another issuer": claiming(iss="https://other.example"),
    "another audience": claiming(aud="another"),
    "no audience": claiming(aud=None),
    "for several, to another": claiming(aud=["review", "another"], azp="another"),
    "for several, to nobody": claiming(aud=["review", "another"]),
    "to another": claiming(azp="another"),
    "expired": timed(exp=-120),
    "for ever": claiming(exp=None),
    "of no time": claiming(iat=None),
    "of later": timed(iat=3600),
    "of nobody": claiming(sub=None),
    "unproven": claiming(email_verified=False),
    "signed by another": signed(OTHER_RSA, "rsa", "RS256"),
    "signed with a key that is not published": signed(OTHER_RSA, "other", "RS256"),
    "not signed": signed(None, "rsa", "none"),
    "an HMAC with the public key": forged,
    "a key for another algorithm": published(alg="RS512"),
    "a key that is not for signing": published(use="enc"),
    "userinfo of another": named_by_userinfo("another"),
    "no token": lambda liar: setattr(liar, "token", "none at all"),
}


@pytest.mark.parametrize("change", SOUND.values(), ids=SOUND)
async def test_a_sound_identity_signs_in(browser: httpx.AsyncClient, liar: LyingProvider, change: Change):
    change(liar)
    answer = await sign_in(browser, liar)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/")


@pytest.mark.parametrize("change", UNSOUND.values(), ids=UNSOUND)
async def test_an_identity_that_does_not_hold_is_refused(
    browser: httpx.AsyncClient, liar: LyingProvider, query: Query, change: Change, capsys: pytest.CaptureFixture[str]
):
    change(liar)
    answer = await sign_in(browser, liar)
    assert answer.status_code == 403
    assert "身分資料無法確認" in answer.text
    assert await query("SELECT 1 FROM sessions") == []
    assert "school.example" not in answer.text + capsys.readouterr().out


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
        {"jwks_uri": "{issuer}/nowhere"},
    ],
)
async def test_a_description_that_does_not_hold_is_a_provider_that_is_away(
    browser: httpx.AsyncClient, liar: LyingProvider, description: dict[str, Any]
):
    for name, value in description.items():
        liar.description[name] = value.format(issuer=liar.issuer) if isinstance(value, str) else value
    asked = await browser.get("/sign-in/sso")
    if asked.status_code == 303:
        asked = await sign_in(browser, liar)
    assert asked.status_code == 503
    assert "單一登入系統目前沒有回應" in asked.text


async def test_a_known_provider_that_stays_away_for_a_while_is_still_known(
    browser: httpx.AsyncClient, liar: LyingProvider, monkeypatch: pytest.MonkeyPatch
):
    assert (await sign_in(browser, liar)).status_code == 303
    monkeypatch.setattr(provider_module, "FRESH_SECONDS", 0)
    liar.description["issuer"] = "https://other.example"
    assert (await browser.get("/sign-in/sso")).status_code == 303


async def test_an_answer_without_end_is_not_read_to_its_end(browser: httpx.AsyncClient, liar: LyingProvider):
    liar.userinfo, liar.claims = {"sub": "lin", "email": "x" * 300_000}, {"email": None}
    assert (await sign_in(browser, liar)).status_code == 503
