"""The operators' tokens."""

from __future__ import annotations

from shared import named_tokens


def new_token() -> str:
    """For one operator."""
    return named_tokens.new_token("kbo")


def parse(text: str) -> list[tuple[str, str]]:
    """Names and hashes of the setting. Raises SettingsError."""
    return named_tokens.parse(
        text, "NOTIFY_OPERATOR_TOKENS must be name:hash[,name:hash…], as `notify-service operator token NAME` prints it"
    )
