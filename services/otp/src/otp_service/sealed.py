"""What lies under keys in otp's tables: hashes of codes and contacts only, all of which expire within a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.resealing import Counted

if TYPE_CHECKING:
    from otp_service.settings import Settings
    from shared.resealing import Column


def make_columns(settings: Settings) -> list[Column]:
    """All of it. Raises SettingsError."""
    keys = settings.hash_keys("OTP_KEY_CODES", settings.key_codes)
    return [Counted("OTP_KEY_CODES", keys, "attempts", column) for column in ("code_hash", "contact_hash")]
