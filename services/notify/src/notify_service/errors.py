"""What a provider may answer instead of taking a message.

``reason`` names the fault and its code, never its text: a provider's text quotes addresses.
"""

from __future__ import annotations


class DeliveryError(Exception):
    """The provider did not take the message."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotNowError(DeliveryError):
    """The provider is away, busy, or not set up right: the message may well go later."""


class RefusedForGoodError(DeliveryError):
    """The provider will never take this message: no such address, or contents that it refuses."""
