"""SMS through a provider that takes JSON over HTTP: ``{"to", "text", "sender"}`` with a bearer token.

The message's id travels as Idempotency-Key, so a provider that knows it sends a repeated request once.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from notify_service.errors import DeliveryError, PermanentError, UnknownOutcomeError
from notify_service.http_providers import is_good, post, refusal
from notify_service.providers import Provider

if TYPE_CHECKING:
    from notify_service.providers import Message
    from notify_service.settings import Settings

#: Refusals that a later try, or an operator with the right token, may turn into a success.
NOT_THE_MESSAGES_FAULT = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
#: The first request with this Idempotency-Key still runs, whose answer was lost then
#: (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
STILL_RUNS = HTTPStatus.CONFLICT


class Sms(Provider):
    """The provider that ``NOTIFY_SMS_URL`` names."""

    name = "sms-http"

    def __init__(self, settings: Settings) -> None:
        self._url = settings.sms_url
        self._token = settings.sms_token.get_secret_value()
        self._sender = {"sender": settings.sms_sender} if settings.sms_sender else {}

    async def send(self, message: Message) -> str:
        """See :class:`notify_service.providers.Provider`."""
        body = {"to": message.letter.to, "text": message.letter.text, **self._sender}
        headers = {"Idempotency-Key": str(message.id), "Authorization": f"Bearer {self._token}"}
        status, _ = await post(self._url, json=body, headers=headers)
        if not is_good(status):
            raise verdict(status)
        return ""


def verdict(status: int) -> DeliveryError:
    """What the provider's refusal means for the message."""
    if status == STILL_RUNS:
        return UnknownOutcomeError(f"HTTP {status}")
    its_own = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if its_own and status not in NOT_THE_MESSAGES_FAULT:
        return PermanentError(f"HTTP {status}")
    return refusal(status)
