"""What is sealed in notify's tables: messages that wait to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.resealing import Sealed

if TYPE_CHECKING:
    from notify_service.settings import Settings
    from shared.resealing import Column


def make_columns(settings: Settings) -> list[Column]:
    """All of it. Raises SettingsError."""
    store = settings.sealing_keys("NOTIFY_KEY_STORE", settings.key_store)
    return [Sealed("NOTIFY_KEY_STORE", store, "messages", "letter", lambda id_: f"messages:{id_}")]
