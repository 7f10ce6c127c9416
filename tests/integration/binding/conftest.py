"""A town with otp and binding for each test."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support import town as towns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.databases import Databases
    from support.town import Town


@pytest.fixture
async def open_town(databases: Databases, broker_url: str) -> AsyncIterator[Callable[..., Awaitable[Town]]]:
    """Opens towns with settings of their own, such as ``binding={"session_hours": 1}``."""
    async with AsyncExitStack() as stack:

        async def opened(**settings: Any) -> Town:  # noqa: ANN401 - see support.town
            return await stack.enter_async_context(partial(towns.town, databases, broker_url)(**settings))

        yield opened


@pytest.fixture
async def town(open_town: Callable[..., Awaitable[Town]]) -> Town:
    """A town with the default settings."""
    return await open_town()
