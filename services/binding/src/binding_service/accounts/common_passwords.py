"""The passwords that many people have. Where they come from stands at the head of the list."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def common_passwords() -> frozenset[str]:
    """All of them, in lower case; read at the first use (1 MB, 3 ms)."""
    text = files("binding_service.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))
