"""What may happen instead of a message being taken, told apart by what is to be done.

``reason`` names the fault and its code, never its text: a provider's text quotes addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import timedelta


class DeliveryError(Exception):
    """The message was not taken, as far as we know. ``kind`` is what rows and log lines call it."""

    kind: ClassVar[str]

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TemporaryError(DeliveryError):
    """The recipient's side asks for patience (greylisting, a full mailbox): the same message goes later."""

    kind = "temporary"


class PermanentError(DeliveryError):
    """Nobody will ever take this message: no such address or number, or contents that are refused."""

    kind = "permanent"


class TechnicalError(DeliveryError):
    """The provider is away, busy, out of credit, or not set up right, and took nothing. Another may take it."""

    kind = "technical"


class NotByThisOneError(DeliveryError):
    """This provider does not take this message, for its recipient mostly, and took nothing; it is well otherwise.

    Another may take it, but no circuit counts it: addresses that a stranger types must stop nobody else's messages.
    """

    kind = "declined"


class UnknownOutcomeError(DeliveryError):
    """The message was handed over and the answer was lost: it may be out, and a second one may follow it."""

    kind = "unknown"


class OurFaultError(UnknownOutcomeError):
    """An adapter failed in a way that it does not know: nobody can say how far it came, and no circuit counts it."""


class NotKeptError(Exception):
    """A message cannot be sent again: it has not failed, or its contents are no longer kept."""


class UnknownTokenError(Exception):
    """A token that is no operator's."""


class TooManyTriesError(Exception):
    """Too many wrong tokens lately; ``wait`` is how long until one may be tried again."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.wait = wait
