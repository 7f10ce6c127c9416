"""What otp's use cases work with, on a fresh database, and the two ends that talk to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from otp_service import use_cases
from otp_service.settings import Settings
from otp_service.use_cases import Otp
from shared.database import Database
from shared.events import CodeIssued, CodeToSend
from shared.requests import (
    CodeToRedeem,
    ContactToVerify,
    IssueCode,
    IssueCodeAnswer,
    RedeemCode,
    RedeemCodeAnswer,
    request_place,
)
from support.factories import make_hash_keys, make_sealing_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.databases import Databases

CONTACT = "parent@example.org"
BINDING, NOTIFY = make_sealing_keys("binding-otp"), make_sealing_keys("otp-notify")


@dataclass
class Parent:
    """A login attempt, as binding asks otp about it."""

    otp: Otp
    attempt_id: UUID
    contact: str = CONTACT

    async def ask(self, contact: str = CONTACT, **how: object) -> IssueCodeAnswer:
        """Ask for a code."""
        self.contact = contact
        return await use_cases.issue_code(self.otp, make_issue_code(self.attempt_id, contact, **how))

    async def sent(self) -> str:
        """The newest code of this attempt, as notify reads it; empty when none was sent."""
        async with self.otp.database.connection() as connection:
            body = await connection.fetchval(
                "SELECT body FROM outbox WHERE body::jsonb ->> 'subject' = $1 ORDER BY recorded_at DESC LIMIT 1",
                str(self.attempt_id),
            )
        return code_in(body) if body else ""

    async def type(self, code: str, request_id: UUID | None = None) -> RedeemCodeAnswer:
        """Try a code."""
        return await use_cases.redeem_code(self.otp, make_redeem_code(self.attempt_id, code, request_id, self.contact))


def make_issue_code(
    attempt_id: UUID,
    contact: str = CONTACT,
    *,
    channel: str = "email",
    client_address: str = "192.0.2.1",
    deliver: bool = True,
    acquainted: bool = False,
    request_id: UUID | None = None,
) -> IssueCode:
    """A request for a code, sealed as binding seals it."""
    request_id = request_id or uuid4()
    asked = ContactToVerify(contact=contact, client_address=client_address)
    sealed = BINDING.seal_model(asked, request_place(request_id))
    return IssueCode.model_validate(
        {"request_id": request_id, "attempt_id": attempt_id, "channel": channel, "language": "zh-TW"}
        | {"deliver": deliver, "acquainted": acquainted, "for_otp": sealed}
    )


def make_redeem_code(attempt_id: UUID, code: str, request_id: UUID | None = None, contact: str = CONTACT) -> RedeemCode:
    """A try, sealed as binding seals it."""
    request_id = request_id or uuid4()
    sealed = BINDING.seal_model(CodeToRedeem(contact=contact, code=code), request_place(request_id))
    return RedeemCode(request_id=request_id, attempt_id=attempt_id, for_otp=sealed)


def code_in(body: str) -> str:
    """The code in a CodeIssued event."""
    event = CodeIssued.model_validate_json(body)
    return NOTIFY.unseal_model(CodeToSend, event.data.for_notify, event.place("for_notify")).code


def wrong(code: str) -> str:
    """Six digits that are not this code."""
    return f"{(int(code or 0) + 1) % 1_000_000:06}"


@pytest.fixture
async def otp(databases: Databases) -> AsyncIterator[Otp]:
    """The use cases' surroundings, with the default policy."""
    database = Database(databases.otp)
    await database.open()
    yield Otp(
        database=database,
        policy=Settings(database_url=databases.otp).policy(),
        sms_countries=frozenset({"TW"}),
        codes=make_hash_keys("codes"),
        from_binding=BINDING,
        to_notify=NOTIFY,
    )
    await database.close()


@pytest.fixture
def parent(otp: Otp) -> Parent:
    """A parent at the beginning of a login."""
    return Parent(otp, uuid4())
