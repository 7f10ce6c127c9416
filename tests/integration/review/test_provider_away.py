"""A provider that takes connections and says nothing."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from review_service.accounts import provider
from review_service.accounts.provider import Client, Provider
from review_service.errors import ProviderAwayError


async def test_a_whole_school_that_signs_in_waits_for_one_time_limit_and_not_for_one_each(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(provider, "TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    writers: list[asyncio.StreamWriter] = []

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        away = Provider(Client(address, "review", "", "openid", "http://review.test"), "")
        answers = await asyncio.gather(
            *(away.sign_in_address("state", "nonce", "verifier") for _ in range(30)), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {ProviderAwayError}
        assert len(writers) == 1
        with pytest.raises(ProviderAwayError):
            await away.sign_in_address("state", "nonce", "verifier")
        assert len(writers) == 2
        for writer in writers:
            writer.close()
            await writer.wait_closed()
