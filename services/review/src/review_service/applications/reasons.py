"""What a teacher can pick as the reason of a refusal: the school's own list, or these.

The words go to the parent as they stand here, whatever language the teacher reads; the catalogues say to the teacher
what ours mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.applications import storage
from review_service.audit.use_cases import note
from review_service.errors import ReasonOutdatedError, ReasonTooLongError, TooManyReasonsError
from shared.languages import marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from review_service.context import Review, Teacher

COMMON_REASONS: Sequence[str] = (
    marked("填寫的資料與學校紀錄不符"),
    marked("選到了別的學生，請確認後重新申請"),
    marked("與學生的關係無法確認，請與導師聯絡"),
    marked("簽名無法辨識，請重新簽名"),
    marked("重複申請"),
)
MOST_REASONS = 12
LONGEST_LISTED = 100


async def list_reasons(review: Review, teacher: Teacher) -> Sequence[str]:
    """The reasons that this teacher's school offers."""
    async with review.database.connection() as connection:
        return await storage.reasons(connection, teacher.school_id) or COMMON_REASONS


async def check_picked(review: Review, teacher: Teacher, picked: str) -> str:
    """The picked reason, empty for none. Raises ReasonOutdatedError where the school offers it no longer."""
    if picked and picked not in await list_reasons(review, teacher):
        raise ReasonOutdatedError
    return picked


async def save_reasons(review: Review, administrator: Teacher, text: str) -> None:
    """The school's list from now on, a line each; none for the common ones.

    Raises TooManyReasonsError, ReasonTooLongError.
    """
    words = list(dict.fromkeys(line for line in map(_plain, text.splitlines()) if line))
    if len(words) > MOST_REASONS:
        raise TooManyReasonsError
    if any(len(line) > LONGEST_LISTED for line in words):
        raise ReasonTooLongError
    async with review.database.transaction() as connection:
        await storage.save_reasons(connection, administrator.school_id, words, administrator.id)
        await note(review, connection, administrator, "reasons.changed", administrator.school_id)


def _plain(line: str) -> str:
    """Without what nobody sees: a database takes no NUL, and two lines that look alike are one."""
    return "".join(character for character in " ".join(line.split()) if character.isprintable())
