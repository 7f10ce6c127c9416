"""The tokens of systems that send their roster."""

from __future__ import annotations

from shared import named_tokens


def new_token() -> str:
    """For one system."""
    return named_tokens.new_token("kbr")


def parse(text: str) -> list[tuple[str, str]]:
    """Names and hashes of the setting. Raises SettingsError."""
    return named_tokens.parse(
        text, "ROSTER_TOKENS must be name:hash[,name:hash…], as `binding-service roster token NAME` prints it"
    )
