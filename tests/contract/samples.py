"""One event of each kind, with nobody's data in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared import events

if TYPE_CHECKING:
    from shared.events import Event

ID = UUID("5b0a3f0e-7a52-4a2c-9f0b-7d9d5b1f3c11")
EVENT_ID = UUID("0d9f4c1a-3b7e-4f5d-8a26-c1e0b7f39a55")
CORRELATION_ID = "7c1de0c9a4b84e6f9a1f6a52d3b0e8f4"
MOMENT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
PLACE = {"version": 2, "student_id": "student-1", "school_id": "school-1", "class_id": "class-1", "settled_at": MOMENT}
ENDED = {**PLACE, "application_id": ID, "language": "zh-TW", "for_notify": "k1.AAAA"}

DATA: dict[type[Event], dict[str, Any]] = {
    events.CodeIssued: {"channel": "email", "language": "en", "expires_at": MOMENT, "for_notify": "k1.AAAA"},
    events.ApplicationSubmitted: {"number": "20261124-7K3FQ9", "language": "vi", "for_notify": "k1.AAAA"},
    events.BindingSubmitted: {
        "version": 1,
        "application_id": ID,
        "application_number": "20261124-7K3FQ9",
        "student_id": "student-1",
        "school_id": "school-1",
        "class_id": "class-1",
        "relation": "maternal_grandmother",
        "submitted_at": MOMENT,
        "statement_version": "2026-11",
        "for_review": "k1.AAAA",
    },
    events.BindingApproved: {**ENDED, "opens_account": True},
    events.BindingRefused: ENDED,
    events.BindingWithdrawn: ENDED,
    events.BindingRevoked: ENDED,
    events.BindingLapsed: {**PLACE, "left_on": MOMENT.date()},
    events.BindingResumed: PLACE,
    events.PaperApplicationRejected: {"problems": {"email": "bad_email"}},
    events.AccountOpened: {"language": "id", "first_password_until": MOMENT, "for_notify": "k1.AAAA"},
    events.AccountActivityNoted: {
        "notice_id": ID,
        "kind": "new_device",
        "language": "zh-TW",
        "not_me_until": MOMENT,
        "for_notify": "k1.AAAA",
    },
    events.SchoolUpdated: {
        "revision": 3,
        "code": "353601",
        "name": "市立內湖國小",
        "level": "elementary",
        "active": True,
    },
    events.ClassUpdated: {
        "revision": 3,
        "school_id": "school-1",
        "name": "五年一班",
        "teacher_ids": ["teacher-1"],
        "active": True,
    },
    events.TeacherUpdated: {
        "revision": 3,
        "school_id": "school-1",
        "role": "teacher",
        "active": True,
        "for_review": "k1.AAAA",
    },
    events.ClassRosterUpdated: {"revision": 3, "school_id": "school-1", "for_review": "k1.AAAA"},
    events.DecisionMade: {"outcome": "refuse", "decided_by": "teacher-1", "for_binding": "k1.AAAA"},
    events.UnbindingDecided: {"decided_by": "admin-1", "for_binding": "k1.AAAA"},
    events.PaperApplicationEntered: {
        "school_id": "school-1",
        "student_id": "student-1",
        "entered_by": "admin-1",
        "language": "vi",
        "statement_version": "2026-12",
        "signed_on": MOMENT.date(),
        "for_binding": "k1.AAAA",
    },
    events.ReviewReminderDue: {
        "kind": "reminder",
        "day": MOMENT.date(),
        "language": "zh-TW",
        "waiting": 3,
        "oldest_days": 4,
        "for_notify": "k1.AAAA",
    },
    events.GuardianBound: {"binding_id": ID, "language": "en", "for_notify": "k1.AAAA"},
    events.GuardianObjected: {
        "binding_id": ID,
        "objector_binding_id": ID,
        "submitted_at": MOMENT,
        "for_review": "k1.AAAA",
    },
    events.ObjectionAnswered: {"decided_by": "admin-1", "for_binding": "k1.AAAA"},
    events.ObjectionClosed: {
        "binding_id": ID,
        "outcome": "answered",
        "language": "zh-TW",
        "for_notify": "k1.AAAA",
    },
    events.AccountDeletionAsked: {"language": "id", "due_at": MOMENT, "for_notify": "k1.AAAA"},
    events.PersonForgotten: {
        "bindings": [{"id": ID, "version": 3}],
        "application_ids": [ID],
        "objection_ids": [],
        "language": "vi",
        "for_notify": "k1.AAAA",
    },
    events.CodeDisowned: {"expires_at": MOMENT},
    events.NoticeDisowned: {"kind": "application_received", "sent_at": MOMENT, "school_id": "school-1"},
}


def of(event: type[Event]) -> Event:
    """An event of this kind."""
    return event.of("sample", ID, **DATA[event])
