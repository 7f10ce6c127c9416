"""What otp answers on the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faststream.rabbit import RabbitResponse

from otp_service import use_cases
from shared.bus import reply
from shared.events import CodeIssued
from shared.requests import ISSUE_CODE, REDEEM_CODE, IssueCode, RedeemCode

if TYPE_CHECKING:
    from otp_service.use_cases import Otp
    from shared.bus import Bus


def subscribe(bus: Bus, otp: Otp) -> None:
    """Attach otp's answers to the bus."""
    bus.publishes(CodeIssued)

    @bus.answer(ISSUE_CODE)
    async def issue_code(request: IssueCode) -> RabbitResponse:
        """Issue a one-time code for a login attempt."""
        return reply(await use_cases.issue_code(otp, request))

    @bus.answer(REDEEM_CODE)
    async def redeem_code(request: RedeemCode) -> RabbitResponse:
        """Redeem a one-time code."""
        return reply(await use_cases.redeem_code(otp, request))
