"""Personal data that travels or rests is sealed; what must be found again is found by a keyed hash.

Sealed text looks like ``k1.<base64url of nonce and ciphertext>``: the key's id, so that keys can be rotated, then
AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. The associated data binds it to one place (an event's id and
field, a row's id and column), so a sealed value that is moved somewhere else no longer opens.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import TYPE_CHECKING, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping

NONCE_BYTES = 12

M = TypeVar("M", bound=BaseModel)


class UnsealError(Exception):
    """The sealed value was made with another key or for another place, or was changed on the way."""


class SealingKeys:
    """AES-256 keys by id. The first one seals; every one opens."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(keys))

    def __reduce__(self) -> tuple[type[SealingKeys], tuple[dict[str, bytes]]]:
        """The way to a process of one's own."""
        return SealingKeys, (self._keys,)

    def seal(self, plaintext: str, place: str) -> str:
        """``plaintext`` sealed for ``place``, the only place where it opens again."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._ciphers[self._current].encrypt(nonce, plaintext.encode(), place.encode())
        return f"{self._current}.{base64.urlsafe_b64encode(sealed).decode()}"

    def unseal(self, sealed: str, place: str) -> str:
        """The plaintext. Raises UnsealError, which says nothing of the content."""
        key_id, _, text = sealed.partition(".")
        try:
            data = base64.urlsafe_b64decode(text)
            return self._ciphers[key_id].decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place.encode()).decode()
        except (KeyError, ValueError, InvalidTag):
            raise UnsealError from None

    def seal_model(self, model: BaseModel, place: str) -> str:
        """A pydantic model, as JSON, sealed for ``place``."""
        return self.seal(model.model_dump_json(), place)

    def unseal_model(self, kind: type[M], sealed: str, place: str) -> M:
        """The model. Raises UnsealError, also when what was sealed is not of that kind."""
        try:
            return kind.model_validate_json(self.unseal(sealed, place))
        except ValueError:
            raise UnsealError from None


class HashKeys:
    """HMAC-SHA-256 (RFC 2104) keys by id. The first one writes; a look-up tries every one."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        # Begun once and copied for each hash: that halves what one costs.
        self._begun = {key_id: hmac.new(key, digestmod=hashlib.sha256) for key_id, key in keys.items()}
        self._current = next(iter(keys))

    def __reduce__(self) -> tuple[type[HashKeys], tuple[dict[str, bytes]]]:
        """The way to a process of one's own."""
        return HashKeys, (self._keys,)

    def digest(self, *parts: str) -> str:
        """The hash that is stored for these parts: ``k1.<base64url>``."""
        return self._hash(self._current, _message(parts))

    def digests(self, *parts: str) -> list[str]:
        """The hashes of these parts under each key, current one first: what a look-up must compare with."""
        message = _message(parts)
        return [self._hash(key_id, message) for key_id in self._keys]

    def _hash(self, key_id: str, message: bytes) -> str:
        mac = self._begun[key_id].copy()
        mac.update(message)
        return f"{key_id}.{base64.urlsafe_b64encode(mac.digest()).decode()}"


def _message(parts: tuple[str, ...]) -> bytes:
    """A length before each part keeps ("ab", "c") and ("a", "bc") apart."""
    message = b""
    for part in parts:
        text = part.encode()
        message += len(text).to_bytes(4, "big") + text
    return message
