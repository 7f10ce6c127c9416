"""The link at the foot of a notice by which its reader says: this is not mine.

All that the link knows is sealed in it, by notify for the service whose page it opens, under the key that the two
share: nothing is stored for it, and nothing personal stands in an address. It is over after its life, or when the key
goes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, Field

from shared.events import Model

if TYPE_CHECKING:
    from shared.sealing import SealingKeys

LIFE = timedelta(days=30)
#: Longer than any link that is made.
MOST_CHARACTERS = 600
PLACE = "not-mine"

About = Literal["attempt", "application", "binding", "account", "objection", "teacher"]


class NotMine(Model):
    """The notice that the link stands in: its kind, as notify calls it, and the thing that it told of."""

    kind: str = Field(max_length=40)
    about: About
    subject: str = Field(description="The id of that thing.")
    at: AwareDatetime = Field(description="When it happened; of a code, when it ends, by which it is known.")


def make_token(keys: SealingKeys, link: NotMine) -> str:
    """What the link carries: sealed, and in letters that an address may hold as they are."""
    return keys.seal_model(link, PLACE).rstrip("=")


def read_token(keys: SealingKeys, token: str) -> NotMine:
    """What the link says. Raises UnsealError for one that we have not made."""
    return keys.unseal_model(NotMine, f"{token}==", PLACE)
