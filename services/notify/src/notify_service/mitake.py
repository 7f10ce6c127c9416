"""SMS through Mitake 三竹簡訊 (https://sms.mitake.com.tw, "SMS HTTP API" 2.14), to numbers of Taiwan.

``clientid`` is the message's id: within 12 hours Mitake sends a repeated one once, and answers as it did before.

A receipt is a GET to the address that the message named. Nothing in it is signed, so the address holds the try's id,
which is random and known to nobody else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from notify_service.domain import PROVIDER_ID
from notify_service.errors import DeliveryError, PermanentError, TechnicalError, UnknownOutcomeError
from notify_service.http_providers import is_good, post, refusal
from notify_service.providers import Provider

if TYPE_CHECKING:
    from notify_service.providers import Message
    from notify_service.settings import Settings

TAIWAN = "+886"
#: The document's own name of it, in place of a line's end.
LINE_BREAK = "\x06"
#: Carriers report nothing of what is to be valid for longer.
LONGEST_VALIDITY_SECONDS = 24 * 3600

#: Scheduled, given to the carrier, delivered.
TAKEN = frozenset("01234")
#: Expired already, no text, no such number; of a repeated message, what became of it: contents, number, SMS barred,
#: not delivered in time, cancelled.
REFUSED = frozenset("tuv56789")
#: "System error": whether the message was taken, only Mitake knows.
UNCLEAR = frozenset("*")
STATUSCODE = re.compile(r"[0-9a-z*]")
DELIVERED = "4"
UNDELIVERED = frozenset("56789")


class Mitake(Provider):
    """The account of the settings."""

    name = "mitake"

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.mitake_url.rstrip('/')}/SmSend"
        self._user = settings.mitake_user
        self._password = settings.mitake_password.get_secret_value()
        self._receipts = settings.receipts_url(self.name)

    def serves(self, to: str) -> bool:
        """Whether it is a number of Taiwan: the document speaks of no other."""
        return to.startswith(TAIWAN)

    async def send(self, message: Message) -> str:
        """See :class:`notify_service.providers.Provider`."""
        status, body = await post(self._url, params={"CharsetURL": "UTF8"}, data=self._form(message))
        if not is_good(status):
            raise refusal(status)
        answer = parse(body)
        code = answer.get("statuscode", "")
        if code not in TAKEN:
            raise verdict(code)
        msgid = answer.get("msgid", "").lstrip("#")
        return msgid if PROVIDER_ID.fullmatch(msgid) else ""

    def _form(self, message: Message) -> dict[str, str]:
        letter = message.letter
        form = {
            "username": self._user,
            "password": self._password,
            "dstaddr": f"0{letter.to.removeprefix(TAIWAN)}",
            "smbody": letter.text.replace("\n", LINE_BREAK),
            "vldtime": str(min(max(message.seconds_left, 1), LONGEST_VALIDITY_SECONDS)),
            "clientid": str(message.id),
        }
        return form | ({"response": f"{self._receipts}/{message.try_id}"} if self._receipts else {})


def parse(body: bytes) -> dict[str, str]:
    """The answer's ``name=value`` lines. Names and codes are ASCII, in whatever the rest is written."""
    lines = body.decode("ascii", "replace").splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}


def verdict(code: str) -> DeliveryError:
    """What a status other than a good one means; an answer without one is one that was lost."""
    if not STATUSCODE.fullmatch(code):
        return UnknownOutcomeError("Mitake without statuscode")
    if code in UNCLEAR:
        return UnknownOutcomeError(f"Mitake {code}")
    # Suspended, wrong account, no points, too many connections, a parameter: another provider may take it.
    return (PermanentError if code in REFUSED else TechnicalError)(f"Mitake {code}")


def receipt(status_flag: str) -> str | None:
    """What a receipt's StatusFlag says in the end: delivered or undelivered; None while it is under way.

    The receipt's own ``statuscode`` tells only that it was sent.
    """
    if status_flag == DELIVERED:
        return "delivered"
    return "undelivered" if status_flag and status_flag in UNDELIVERED else None


def acknowledgement(msgid: str) -> str:
    """What Mitake wants to read in answer to a receipt; without it the receipt comes again."""
    return f"magicid=sms_gateway_rpack\nmsgid={msgid}\n"
