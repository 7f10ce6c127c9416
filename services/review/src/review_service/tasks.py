"""What operators may ask of review (shared.operations)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from review_service.audit.domain import Head
from review_service.audit.use_cases import verify
from review_service.sealed import make_columns
from shared.keys import key_tasks
from shared.operations import TaskError, describing

if TYPE_CHECKING:
    from review_service.context import Review
    from shared.operations import Handlers, Result, Task


def make_tasks(review: Review) -> Handlers:
    """All of it."""
    return {
        **describing("review_service", review.settings),
        **key_tasks(review.database, make_columns(review)),
        "audit-verify": partial(_verify, review),
    }


async def _verify(review: Review, task: Task) -> Result:
    """Every school's chain; ``heads`` may name where chains ended before: as the command's --json, by school."""
    try:
        told = task.arguments.get("chains", [])
        heads = {chain["school"]: Head(int(chain["position"]), str(chain["hash"])) for chain in told}
    except (KeyError, TypeError, ValueError):
        msg = "the earlier heads are not what audit verify --json printed"
        raise TaskError(msg) from None
    return {"chains": [report.as_json() for report in await verify(review, heads)]}
