"""The OpenID provider, as its discovery document describes it: where to send a browser, and who came back.

OpenID Connect Core 1.0, section 3.1 (authorization code); PKCE (RFC 7636); RFC 9207 (which issuer answers);
RP-Initiated Logout 1.0. PyJWT checks signatures and times; nothing here makes cryptography of its own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import jwt
import structlog

from review_service.errors import IdentityRefusedError, ProviderAwayError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json: TypeAlias = dict[str, Any]

#: Public keys only: with an HMAC the provider's published key could be taken for the secret, and "none" is nobody.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS = 60
FRESH_SECONDS = 3600
LARGEST_ANSWER = 256 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
OK = 200
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """What this service is to the provider."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: str
    public_url: str

    @property
    def return_address(self) -> str:
        """Where the provider sends the browser back (the redirect URI to register there)."""
        return f"{self.public_url}/sign-in/return"

    @property
    def address_after_sign_out(self) -> str:
        """Where the provider sends the browser after a sign-out (to register there too)."""
        return f"{self.public_url}/sign-in"


class Provider:
    """One OpenID provider. Its description is fetched at the first use and again every hour."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.name = name
        self._description: Json = {}
        self._known_at = 0.0
        self._failures = 0
        self._one_at_a_time = asyncio.Lock()

    async def sign_in_address(self, state: str, nonce: str, verifier: str) -> str:
        """Where a browser begins to sign in. Raises ProviderAwayError."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.return_address,
            "scope": self.client.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with_query((await self._describe())["authorization_endpoint"], asked)

    async def sign_out_address(self) -> str:
        """Where a browser also signs out of the provider; empty where it offers none, or is away.

        Without id_token_hint, which would put the teacher's claims in an address: the provider asks once.
        """
        try:
            address = (await self._describe()).get("end_session_endpoint", "")
        except ProviderAwayError:
            return ""
        asked = {
            "client_id": self.client.client_id,
            "post_logout_redirect_uri": self.client.address_after_sign_out,
        }
        return _with_query(address, asked) if isinstance(address, str) and _is_safe(address, self.client) else ""

    def check_issuer(self, answered: str | None, description: Mapping[str, object]) -> None:
        """That the answer is this provider's (RFC 9207). Raises IdentityRefusedError."""
        must = description.get("authorization_response_iss_parameter_supported") is True
        if answered != self.client.issuer and (must or answered is not None):
            raise IdentityRefusedError

    async def identify(self, answer: Mapping[str, str], nonce: str, verifier: str, claim: str) -> Json:
        """Who signed in: claims of the ID token, and ``claim`` from the userinfo endpoint where the token lacks it.

        ``answer`` is what came back with the browser. Raises ProviderAwayError, IdentityRefusedError.
        """
        description = await self._describe()
        self.check_issuer(answer.get("iss"), description)
        tokens = await self._redeem(description, answer.get("code", ""), verifier)
        claims = await self._check_id_token(description, str(tokens.get("id_token", "")), nonce)
        if claim not in claims:
            claims = await self._ask_userinfo(description, str(tokens.get("access_token", "")), claims) | claims
        return claims

    # --- the ID token ---

    async def _check_id_token(self, description: Json, token: str, nonce: str) -> Json:
        """Its claims (OpenID Connect Core, 3.1.3.7). Raises IdentityRefusedError, ProviderAwayError."""
        try:
            header = jwt.get_unverified_header(token)
            key, algorithms = await self._key(description, header)
            claims: Json = jwt.decode(
                token,
                key.key,
                algorithms=algorithms,
                audience=self.client.client_id,
                issuer=self.client.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as fault:
            log.warning("identity refused", fault=type(fault).__name__)
            raise IdentityRefusedError from None
        self._check_for_us(claims, nonce)
        return claims

    def _check_for_us(self, claims: Json, nonce: str) -> None:
        party = claims.get("azp")
        others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (party is not None or others) and party != self.client.client_id:
            log.warning("identity refused", fault="azp")
            raise IdentityRefusedError
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            log.warning("identity refused", fault="nonce")
            raise IdentityRefusedError

    async def _key(self, description: Json, header: Mapping[str, object]) -> tuple[jwt.PyJWK, list[str]]:
        """The key that the token names, and what it may be used with.

        The keys are asked for with each token: one that was taken out signs nobody in, and a new one does at once.
        """
        answer = await self._get(description["jwks_uri"])
        named = header.get("kid")
        keys = [
            key
            for key in jwt.PyJWKSet.from_dict(answer).keys
            if key.public_key_use in {None, "sig"} and named in {None, key.key_id} and key.key_type != "oct"
        ]
        if len(keys) != 1:
            raise jwt.InvalidKeyError
        declared = next(iter(jwk.get("alg") for jwk in answer["keys"] if jwk.get("kid") == keys[0].key_id), None)
        return keys[0], [name for name in ALGORITHMS if declared in {None, name}]

    # --- what the provider answers ---

    async def _describe(self) -> Json:
        """The discovery document (OpenID Connect Discovery 1.0); an old one where the provider is away just now.

        Whoever waited while another asked in vain does not ask again: a school that signs in would queue for minutes.
        """
        failures = self._failures
        async with self._one_at_a_time:
            is_fresh = self._description and time.monotonic() - self._known_at < FRESH_SECONDS
            if not is_fresh and failures == self._failures:
                await self._renew()
            if not self._description:
                raise ProviderAwayError
            return self._description

    async def _renew(self) -> None:
        """Ask for the discovery document; what is known stays where the provider is away."""
        try:
            found = await self._get(f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration")
            self._check_description(found)
        except ProviderAwayError:
            self._failures += 1
        else:
            self._description, self._known_at = found, time.monotonic()

    def _check_description(self, found: Json) -> None:
        if found.get("issuer") != self.client.issuer:
            log.error("the provider calls itself by another issuer than REVIEW_OIDC_ISSUER")
            raise ProviderAwayError
        if not all(_is_safe(found.get(name), self.client) for name in ENDPOINTS):
            log.error("the provider's discovery document lacks an endpoint, or has one without TLS")
            raise ProviderAwayError

    async def _redeem(self, description: Json, code: str, verifier: str) -> Json:
        """Tokens for the code (RFC 6749, 4.1.3). Raises IdentityRefusedError where the provider refuses."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.return_address,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        offered = description.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self.client.client_secret and "client_secret_basic" in offered:
            headers["authorization"] = self._basic()
        else:
            form["client_id"] = self.client.client_id
            if self.client.client_secret:
                form["client_secret"] = self.client.client_secret
        return await self._fetch("POST", description["token_endpoint"], headers, form)

    def _basic(self) -> str:
        """HTTP Basic of the client (RFC 6749, 2.3.1: each part form-encoded first)."""
        pair = f"{quote(self.client.client_id, safe='')}:{quote(self.client.client_secret, safe='')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    async def _ask_userinfo(self, description: Json, access_token: str, claims: Json) -> Json:
        """More claims about the same person (OpenID Connect Core, 5.3). Raises IdentityRefusedError."""
        address = description.get("userinfo_endpoint")
        if not isinstance(address, str) or not _is_safe(address, self.client):
            return {}
        found = await self._fetch("GET", address, {"authorization": f"Bearer {access_token}"})
        if found.get("sub") != claims["sub"]:
            log.warning("identity refused", fault="userinfo of somebody else")
            raise IdentityRefusedError
        return found

    async def _get(self, address: str) -> Json:
        try:
            return await self._fetch("GET", address, {})
        except IdentityRefusedError:
            raise ProviderAwayError from None

    async def _fetch(
        self, method: str, address: str, headers: dict[str, str], form: dict[str, str] | None = None
    ) -> Json:
        """The JSON object of an answer. Raises IdentityRefusedError for a refusal (4xx), else ProviderAwayError."""
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT) as session,
                session.request(
                    method,
                    address,
                    data=form,
                    headers={"accept": "application/json", **headers},
                    allow_redirects=False,
                ) as answer,
            ):
                body = await _read(answer)
                status = answer.status
        except (aiohttp.ClientError, OSError) as fault:
            log.warning("the OpenID provider does not answer", fault=type(fault).__name__)
            raise ProviderAwayError from None
        return _json_object(status, body)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body; Raises ProviderAwayError for one that is larger than any of these is."""
    body = b""
    async for chunk in answer.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise ProviderAwayError
    return body


def _json_object(status: int, body: bytes) -> Json:
    if 400 <= status < 500 and status not in {408, 429}:  # noqa: PLR2004 - HTTP's
        log.warning("the OpenID provider refused", status=status)
        raise IdentityRefusedError
    try:
        found = json.loads(body) if status == OK else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        log.warning("the OpenID provider's answer is none", status=status)
        raise ProviderAwayError
    return found


def _is_safe(address: object, client: Client) -> bool:
    """Whether it is an address to trust: over TLS, unless the issuer itself is on a developer's machine."""
    if not isinstance(address, str):
        return False
    scheme = urlsplit(address).scheme
    return scheme == "https" or (scheme == "http" and urlsplit(client.issuer).scheme == "http")


def _with_query(address: str, values: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(values)}"
