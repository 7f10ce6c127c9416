"""My children: what an account shows of them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from binding_service.accounts.use_cases import require_account
from binding_service.family import storage
from binding_service.family.domain import Child
from binding_service.family.objections import guardians_of
from shared.observing import use_case

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from binding_service.context import Binding
    from binding_service.family.domain import Guardian
    from binding_service.logins.domain import Session


@use_case
async def my_children(binding: Binding, session: Session) -> list[Child]:
    """The children that are bound to the account, then those that wait for it.

    Raises NotSignedInError, PasswordChangeDueError.
    """
    account_id = require_account(session)
    async with binding.database.connection() as connection:
        rows = await storage.children(connection, account_id)
        others = await guardians_of(binding, connection, account_id)
    of_child: dict[UUID, list[Guardian]] = defaultdict(list)
    for guardian in others:
        of_child[guardian.own_binding_id].append(guardian)
    return [_child(row, of_child[row["id"]]) for row in rows]


def _child(row: asyncpg.Record, guardians: list[Guardian]) -> Child:
    return Child(
        binding_id=row["id"],
        name=row["name"],
        school=row["school_name"],
        class_name=row["class_name"],
        relation=row["relation"],
        relation_text=row["relation_text"],
        state=row["state"],
        since=row["since"],
        left_on=row["left_on"],
        guardians=guardians,
    )
