"""Which secrets everybody knows: those of deploy/development.env and those that the code makes where none is set.

They are told by their SHA-256, so that a key is known under another id too.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Ids that only samples have.
SAMPLE_IDS = frozenset({"sample", "development"})
#: Of deploy/development.env and of the servers themselves.
SAMPLE_PASSWORDS = frozenset({"development", "guest", "postgres"})
#: The settings for which the code makes a key where none is set.
KEY_NAMES = (
    "OTP_KEY_CODES",
    "KEY_BINDING_OTP",
    "KEY_OTP_NOTIFY",
    "KEY_BINDING_REVIEW",
    "KEY_REVIEW_BINDING",
    "KEY_REVIEW_NOTIFY",
    "KEY_BINDING_NOTIFY",
    "KEY_BINDING_STORE",
    "KEY_BINDING_HASH",
    "KEY_REVIEW_STORE",
    "REVIEW_KEY_SIGN_IN",
    "REVIEW_KEY_AUDIT",
    "NOTIFY_KEY_STORE",
)
#: SHA-256 of the keys in deploy/development.env.
DEVELOPMENT_KEYS = frozenset(
    {
        "74bd7554580c5e4940a4eb095416e63d21eb00882ba8b1103b1a42f53903ed2d",
        "5be6b6a310efa0115ba91af99ba28fae5ee761d0aa12b3b5e176c4bbef6be63e",
        "0a0d236faf42c84156bda524c7ca2e6c755784810cf7f3a5a2948723f2351daf",
        "4b810f98b63bf7cf1de80ad5b133b41c9274ebb5d16e7ab0b50a31402332fbab",
        "835e4b309d09da1001d7940db62b6f5a60ce1c9442bcfce5f8ee06a5bafb5afc",
        "5d04774f5ee8503ca9e4331173bd59067c070bfa19f6d99af5b5923adf7cbb17",
        "5f45af3ae4e9ac3f81ec745fba3382c4261a225fc4b3b00fe4c0e55c7530beb3",
        "61ccab9b490a0c19af200f9240bb73c8b130e8c4ad0196b3e212c1c7eaf39aac",
        "b5419e9dcc24ce95b67b0f618d8027c865636db4e287dce60f1b06868a87d02e",
        "57379f0c16b7eb07c78a6372ba2888d11b6fdbe3f3365b8bcdcd098d45581b24",
        "3562f9ee0ed7d9da0f32cb0810e6d687df53ee15b16fe2e3e03e33e8f811a975",
        "b740a7d314a2eaefef120ff0d65bd07f7566450decddf3e59eb544330f078262",
        "20aa4bbedd3a0f6ef50717030052e48a6c07517648c5b8b25b3688b9d67f17d8",
    }
)


def sample_key(name: str) -> bytes:
    """What stands in for a key that is not set. It depends on the name alone, so two services that share it agree."""
    return hashlib.sha256(f"kinbind sample key {name}".encode()).digest()


def is_sample(secret: str) -> bool:
    """Whether a secret holds what everybody knows: a password, one in an address, or one of several keys."""
    if "://" in secret:
        return _is_sample_login(secret)
    return secret in SAMPLE_PASSWORDS or any(map(_is_sample_key, secret.split(",")))


def _is_sample_login(url: str) -> bool:
    address = urlsplit(url)
    user, password = unquote(address.username or ""), unquote(address.password or "")
    return bool(password) and (password in SAMPLE_PASSWORDS or password == user)


def _is_sample_key(text: str) -> bool:
    key_id, colon, value = text.partition(":")
    if not colon:
        return False
    try:
        digest = hashlib.sha256(base64.b64decode(value, validate=True)).hexdigest()
    except ValueError:
        digest = ""
    return key_id.strip() in SAMPLE_IDS or digest in DEVELOPMENT_KEYS or digest in set(_made_here())


def _made_here() -> Iterator[str]:
    return (hashlib.sha256(sample_key(name)).hexdigest() for name in KEY_NAMES)
