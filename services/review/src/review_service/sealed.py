"""What is sealed and hashed in review's tables, for a change of keys (shared.resealing).

The audit log is not: its lines are chained under the key of their time, which therefore stays in the list. A form
that is kept for a session that is over, sign-ins under way, and hashes of sessions and limits are gone within a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.contacts import parse_email
from shared.events import TeacherForReview
from shared.resealing import Counted, Hashed, Sealed

if TYPE_CHECKING:
    from review_service.context import Review
    from shared.resealing import Column

STORE, SIGN_IN = "REVIEW_KEY_REVIEW_STORE", "REVIEW_KEY_SIGN_IN"


def make_columns(review: Review) -> list[Column]:
    """All of it."""
    by_email = Hashed(SIGN_IN, review.hashes, "email_hash", _email)
    return [
        _sealed(review, "teachers", "details", key_type="text", hashed=by_email),
        _sealed(review, "students", "name", key_type="text"),
        *(
            _sealed(review, "bindings", column)
            for column in ("names", "details", "contacts", "reason", "revoked_reason")
        ),
        _sealed(review, "custody_notes", "note", key="student_id", key_type="text"),
        _sealed(review, "paper_entries", "typed"),
        *(_sealed(review, "objections", column) for column in ("reason", "note")),
        Counted(STORE, review.store, "sessions", "kept"),
    ]


def _sealed(
    review: Review, table: str, column: str, *, key: str = "id", key_type: str = "uuid", hashed: Hashed | None = None
) -> Sealed:
    return Sealed(
        STORE,
        review.store,
        table,
        column,
        lambda id_: f"{table}:{id_}:{column}",
        key=key,
        key_type=key_type,
        hashed=hashed,
    )


def _email(plain: str) -> tuple[str, ...] | None:
    """As roster.use_cases hashes it."""
    try:
        return "teacher-email", parse_email(TeacherForReview.model_validate_json(plain).email)
    except ValueError:
        return None
