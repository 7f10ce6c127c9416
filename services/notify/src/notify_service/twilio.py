"""SMS through Twilio (https://www.twilio.com/docs/messaging/api/message-resource), to any country that the account may.

Its API knows no repetition: after an answer that was lost, a second request may send a second SMS. A receipt is a form
that Twilio posts to the address that the message named, signed with the account's token
(https://www.twilio.com/docs/usage/security).
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import encode_basic_auth

from notify_service.domain import PROVIDER_ID
from notify_service.errors import DeliveryError, NotByThisOneError, PermanentError, TechnicalError, UnknownOutcomeError
from notify_service.http_providers import is_good, post, refusal
from notify_service.providers import Provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notify_service.providers import Message
    from notify_service.settings import Settings

LONGEST_VALIDITY_SECONDS = 36000
MESSAGING_SERVICE = "MG"

#: Refusals that are about the number or the text (https://www.twilio.com/docs/api/errors): invalid, a short code, our
#: own number, a premium one, missing, unsubscribed, no mobile, a landline; no text, too long.
REFUSED = frozenset({21211, 21214, 21217, 21265, 21266, 21268, 21604, 21610, 21614, 21635, 21602, 21617})
DELIVERED = frozenset({"delivered", "read"})
UNDELIVERED = frozenset({"undelivered", "failed", "canceled"})


class Twilio(Provider):
    """The account of the settings."""

    name = "twilio"

    def __init__(self, settings: Settings) -> None:
        account = settings.twilio_account
        token = settings.twilio_token.get_secret_value()
        self._url = f"{settings.twilio_url.rstrip('/')}/2010-04-01/Accounts/{account}/Messages.json"
        self._headers = {"Authorization": encode_basic_auth(account, token)}
        self._from = settings.twilio_from
        self._receipts = settings.receipts_url(self.name)

    async def send(self, message: Message) -> str:
        """See :class:`notify_service.providers.Provider`."""
        status, body = await post(self._url, data=self._form(message), headers=self._headers)
        answer = _parse(body)
        if not is_good(status):
            raise verdict(status, answer.get("code"))
        sid = answer.get("sid")
        if not isinstance(sid, str) or not PROVIDER_ID.fullmatch(sid):
            raise UnknownOutcomeError("Twilio without sid")  # noqa: EM101, TRY003 - a reason, no sentence
        return sid

    def _form(self, message: Message) -> dict[str, str]:
        sender = "MessagingServiceSid" if self._from.startswith(MESSAGING_SERVICE) else "From"
        form = {
            "To": message.letter.to,
            sender: self._from,
            "Body": message.letter.text,
            "ValidityPeriod": str(min(max(message.seconds_left, 1), LONGEST_VALIDITY_SECONDS)),
        }
        return form | ({"StatusCallback": f"{self._receipts}/{message.try_id}"} if self._receipts else {})


def _parse(body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def verdict(status: int, code: object) -> DeliveryError:
    """What a refusal means. Codes come and go, as Twilio says, so what is not known goes by its status."""
    reason = f"Twilio {code}" if isinstance(code, int) else f"HTTP {status}"
    if status == HTTPStatus.BAD_REQUEST:
        return (PermanentError if code in REFUSED else NotByThisOneError)(reason)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnknownOutcomeError(reason)
    return TechnicalError(reason) if isinstance(code, int) else refusal(status)


def receipt(status: str) -> str | None:
    """What a receipt's MessageStatus says in the end: delivered or undelivered; None while it is under way."""
    if status in DELIVERED:
        return "delivered"
    return "undelivered" if status in UNDELIVERED else None


def signature(token: str, url: str, form: Sequence[tuple[str, str]]) -> str:
    """X-Twilio-Signature of a form posted to ``url``: HMAC-SHA1 of it with every name and value, in their order."""
    signed = url + "".join(f"{name}{value}" for name, value in sorted(form))
    return b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


def is_signed(token: str, url: str, form: Sequence[tuple[str, str]], given: str) -> bool:
    """Whether Twilio signed the form. It signs the address with its port, or without, or with the usual one."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.hostname or "")
    usual = bare._replace(netloc=f"{bare.netloc}:{443 if parts.scheme == 'https' else 80}")
    right = [signature(token, address, form) for address in (url, bare.geturl(), usual.geturl())]
    return any(hmac.compare_digest(each.encode(), given.encode()) for each in right)
