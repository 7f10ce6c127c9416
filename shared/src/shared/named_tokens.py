"""Tokens of machines and operators: the settings hold their names and hashes, so nobody reads a token there."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from shared.settings import SettingsError

NAME = re.compile(r"[A-Za-z0-9._-]{1,60}")
HASH = re.compile(r"[0-9a-f]{64}")


def new_token(prefix: str) -> str:
    """256 bits of chance: a plain hash of it tells nothing. The prefix lets people and scanners know what it is."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def hash_of(token: str) -> str:
    """SHA-256 (FIPS 180-4), in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def parse(text: str, malformed: str) -> list[tuple[str, str]]:
    """Names and hashes of a setting: ``name:hash,name:hash``; a name may stand there twice.

    Raises SettingsError, which says ``malformed``.
    """
    pairs = [
        (name.strip(), hash_.strip().lower())
        for name, _, hash_ in (part.partition(":") for part in text.split(",") if part.strip())
    ]
    if not all(NAME.fullmatch(name) and HASH.fullmatch(hash_) for name, hash_ in pairs):
        raise SettingsError(malformed)
    return pairs


def name_of(token: str, known: list[tuple[str, str]]) -> str | None:
    """Whose token it is; None where it is nobody's. Every hash is compared, each in constant time."""
    given = hash_of(token)
    names = [name for name, hash_ in known if hmac.compare_digest(hash_, given)]
    return names[0] if names else None
