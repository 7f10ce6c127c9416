"""What otp answers and hears on the bus."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from faststream.rabbit import RabbitResponse

from otp_service import use_cases
from shared.bus import reply
from shared.events import CodeDisowned, CodeIssued
from shared.inbox import once
from shared.requests import ISSUE_CODE, REDEEM_CODE, IssueCode, RedeemCode

if TYPE_CHECKING:
    from otp_service.use_cases import Otp
    from shared.bus import Bus


def subscribe(bus: Bus, otp: Otp) -> None:
    """Attach otp's answers and ears to the bus."""
    bus.publishes(CodeIssued)

    @bus.answer(ISSUE_CODE)
    async def issue_code(request: IssueCode) -> RabbitResponse:
        """Issue a one-time code for a login attempt."""
        return reply(await use_cases.issue_code(otp, request))

    @bus.answer(REDEEM_CODE)
    async def redeem_code(request: RedeemCode) -> RabbitResponse:
        """Redeem a one-time code."""
        return reply(await use_cases.redeem_code(otp, request))

    @bus.consume(CodeDisowned)
    async def code_disowned(event: CodeDisowned) -> None:
        """Who got a code has not asked for it."""
        await once(otp.database, "otp", event, partial(use_cases.end_code, otp))
