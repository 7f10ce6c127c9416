"""Parents with accounts: opened by an approval, with a password of their own, signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.town import LI, OTHER_PARENT_ID, PARENT_ID

if TYPE_CHECKING:
    from support.town import Child, Town

PASSWORD = "a long walk to school"
MOTHER, FATHER = "lin@example.org", "chen@example.org"


async def mother(town: Town, child: Child = LI) -> str:
    """A guardian with an account, bound to the child; the session that is signed in by password."""
    return await guardian(town, MOTHER, PARENT_ID, child, name="林淑芬", phone="0912345678")


async def father(town: Town, child: Child = LI) -> str:
    """Another guardian of the same child."""
    return await guardian(town, FATHER, OTHER_PARENT_ID, child, name="陳志明", phone="0987654321")


async def guardian(town: Town, email: str, parent_id: str, child: Child = LI, **parent: str) -> str:
    """Somebody who applied for the child, was approved and has chosen a password; their signed-in session."""
    by_code = await town.apply(email, [child], parent_id, **parent)
    await town.decided((await town.bindings(by_code))[-1]["id"])
    await town.do("PUT", "/account/password", by_code, password=PASSWORD)
    return await sign_in(town, email)


async def sign_in(town: Town, email: str = MOTHER, password: str = PASSWORD) -> str:
    """A new session of the account."""
    return str((await town.do("POST", "/account/sessions", login=email, password=password))["token"])
