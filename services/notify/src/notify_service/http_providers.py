"""What the SMS providers have in common: one POST each, whose outcome is known or not."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import aiohttp

from notify_service.errors import DeliveryError, TechnicalError, UnknownOutcomeError
from notify_service.providers import ASKING_SECONDS

TIMEOUT = aiohttp.ClientTimeout(total=ASKING_SECONDS, connect=10)
LONGEST_ANSWER = 64 * 1024
#: It never got there. Whatever else goes wrong, it may have.
NOT_THERE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
#: A gateway says that it lost the answer of who works behind it.
ANSWER_LOST = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


async def post(url: str, **request: Any) -> tuple[int, bytes]:  # noqa: ANN401 - what aiohttp's post takes
    """Status and body of the answer. Raises TechnicalError or UnknownOutcomeError where there is none.

    A connection each: one that was kept open could be dead, and a POST that meets it would count as lost. A redirect is
    not followed: it would carry the secret and the text to whoever the provider's name resolves to now.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(url, allow_redirects=False, **request) as answer,
        ):
            body = b""
            async for some in answer.content.iter_any():
                body += some
                if len(body) > LONGEST_ANSWER:
                    break
            return answer.status, body
    except NOT_THERE as fault:
        raise TechnicalError(type(fault).__name__) from None
    except (aiohttp.ClientError, OSError) as fault:
        raise UnknownOutcomeError(type(fault).__name__) from None


def is_good(status: int) -> bool:
    """Whether the request was taken."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def refusal(status: int) -> DeliveryError:
    """What a status that is not good means, where the provider's document says nothing more of it."""
    return (UnknownOutcomeError if status in ANSWER_LOST else TechnicalError)(f"HTTP {status}")
