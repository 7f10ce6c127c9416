"""What expires in review, and after how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.accounts import storage as accounts
from review_service.papers import storage as papers
from shared.purging import of_statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from review_service.settings import Settings
    from shared.purging import Purge


def make_purges(_: Settings) -> Sequence[Purge]:
    """All that expires here."""
    return [of_statement(statement) for statement in (*accounts.EXPIRED, *papers.EXPIRED)]
