"""A POST that creates, sent again with its Idempotency-Key: the first answer once more, and nothing is done twice.

The header is that of draft-ietf-httpapi-idempotency-key-header. A key belongs to a session (before there is one, to a
client address) and to a path. An answer of success is kept for a day, sealed, because a session's token may stand in
it. A refusal has changed nothing: it is not kept, and its key is free again. So it is after a fault, when the wish may
have been granted before: what must not be done twice is then known by :attr:`Asked.wish`.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel

from binding_service import idempotency_rows as rows
from binding_service.errors import KeyReusedError, RequestInProgressError

if TYPE_CHECKING:
    from binding_service.context import Binding, Keys

#: Pauses, in seconds, between looks at a request that still runs. After the last one its repetition is sent away.
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A request by what names it, and a hash of its body."""

    id: UUID
    fingerprint: str

    @property
    def wish(self) -> UUID:
        """The same in every repetition, and another one under the same key with another body."""
        return uuid5(NAMESPACE_URL, self.fingerprint)


class Answer(BaseModel):
    """What was answered, as it went out."""

    status: int
    headers: list[tuple[str, str]]
    body: str


def asked(keys: Keys, scope: str, path: str, key: str, body: bytes) -> Asked:
    """The request of a session or client ``scope`` under ``key``.

    The key is part of the body's hash too, so that who steals the database can't try passwords on it.
    """
    name = ("idempotent-request", scope, path, key)
    fingerprint = keys.hashes.digest(*name, hashlib.sha256(body).hexdigest())
    return Asked(uuid5(NAMESPACE_URL, keys.hashes.digest(*name)), fingerprint)


async def begin(binding: Binding, request: Asked) -> Answer | None:
    """The answer to this request; None where it is to be done now. Waits a little for one that runs.

    Raises KeyReusedError for another body, RequestInProgressError where the first request takes longer.
    """
    for pause in (*PAUSES, 0):
        async with binding.database.connection() as connection:
            if await rows.begin(connection, request.id, request.fingerprint):
                return None
            row = await rows.known(connection, request.id)
        if row is not None:
            if row["fingerprint"] != request.fingerprint:
                raise KeyReusedError
            if row["answer_sealed"] is not None:
                return binding.keys.store.unseal_model(Answer, row["answer_sealed"], _place(request.id))
        await asyncio.sleep(pause)
    raise RequestInProgressError(retry_after=RETRY_SECONDS)


async def keep(binding: Binding, request: Asked, answer: Answer) -> None:
    """Keep the answer for who asks again."""
    sealed = binding.keys.store.seal_model(answer, _place(request.id))
    async with binding.database.connection() as connection:
        await rows.keep(connection, request.id, sealed)


async def give_up(binding: Binding, request: Asked) -> None:
    """The request was refused: its key is free again."""
    async with binding.database.connection() as connection:
        await rows.forget(connection, request.id)


def _place(id_: UUID) -> str:
    return f"idempotent_requests:{id_}:answer"
