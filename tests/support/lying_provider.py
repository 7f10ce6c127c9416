"""An OpenID provider that says what a test makes it say: for what a sound one never does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
#: The published RSA key as text: what a forger would take for the secret of an HMAC.
PUBLISHED = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(slots=True)
class LyingProvider:
    """What it says next. ``claims`` change those of a sound ID token; None takes one out."""

    client_id: str
    issuer: str = ""
    nonce: str = ""
    algorithm: str = "RS256"
    key: Any = RSA
    kid: str = "rsa"
    claims: dict[str, Any] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    token: str | None = None

    def app(self) -> Starlette:
        """To be served under the issuer's address."""
        return Starlette(
            routes=[
                Route("/health/ready", self._ready),
                Route("/.well-known/openid-configuration", self._describe),
                Route("/keys", self._publish),
                Route("/token", self._redeem, methods=["POST"]),
                Route("/userinfo", self._inform),
            ]
        )

    async def _ready(self, _: Request) -> JSONResponse:
        return JSONResponse({})

    async def _describe(self, _: Request) -> JSONResponse:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return JSONResponse(_changed(said, self.description))

    async def _publish(self, _: Request) -> JSONResponse:
        keys = {
            "rsa": RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True),
            "ec": ECAlgorithm.to_jwk(EC.public_key(), as_dict=True),
            "ed": OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True),
        }
        return JSONResponse({"keys": [{"kid": kid, **key, **self.published} for kid, key in keys.items()]})

    async def _redeem(self, _: Request) -> JSONResponse:
        return JSONResponse({"access_token": "access", "token_type": "Bearer", "id_token": self.token or self._sign()})

    async def _inform(self, _: Request) -> JSONResponse:
        return JSONResponse(self.userinfo)

    def _sign(self) -> str:
        now = int(time.time())
        sound = {
            "iss": self.issuer,
            "sub": "lin",
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "email": "lin@school.example",
        }
        return jwt.encode(_changed(sound, self.claims), self.key, self.algorithm, headers={"kid": self.kid})


def _changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (values | changes).items() if value is not None}
