"""An example of every request and answer, by the name of its shape: one family's story. Nobody in it exists."""

from __future__ import annotations

from typing import Any

BINDING, GUARDIAN = "5b0c7f7e-6d5c-4c0f-9d0b-1f4f3a9a2f10", "0d6c9d0a-3a1e-4b7e-8f55-0c1d2e3f4a5b"
APPLICATION = "8a4f2c1d-7e6b-4d3a-9c21-5b6e7f8091a2"
DRAFT = "c1a5f0de-2b3c-4d5e-8f60-718293a4b5c6"
SESSION = "3e2d1c0b-9a8f-4e7d-a6c5-b4a392817060"
IMPORT = "77f0a1b2-c3d4-4e5f-8091-a2b3c4d5e6f7"
NUMBER = "20261124-7K3FQ9"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#: Made-up secrets, long as the real ones.
TOKEN, ATTEMPT = "made-up-token-for-this-example-0000000000000", "made-up-attempt-for-this-example-0000000000"
STATEMENT = "2026-12"
LOGIN, PHONE = "lin@example.org", "+886912345678"
SUBMITTED, DECIDED = "2026-11-24T09:30:00Z", "2026-11-25T01:15:00Z"
SIGNATURE = {"width": 600, "height": 200, "strokes": [[[80, 90], [110, 130], [150, 80], [190, 140]]], "typed": ""}

_STUDENT = {"relation": "mother", "relation_text": "", "level": "elementary", "national_id": "A800000014"}
_GUARDIAN = {
    "binding_id": GUARDIAN,
    "name_masked": "王○明",
    "relation": "father",
    "relation_label": "父親",
    "bound_at": "2026-11-26T02:00:00Z",
    "is_bound": True,
    "objection": {"submitted_at": "2026-11-26T10:00:00Z", "state": "open", "closed_at": None, "note": ""},
}
_CHILD = {"name": "李小美", "school": "中正國小", "class_name": "三年一班", "relation_label": "母親", "left_on": None}
_COUNTS = {"new": 12, "changed": 3, "removed": 1, "unchanged": 29984, "held": 0}

REQUESTS: dict[str, Any] = {
    "CodeRequest": {"channel": "email", "contact": LOGIN},
    "Redemption": {"attempt": ATTEMPT, "code": "549 497"},
    "SignIn": {"login": LOGIN, "password": "a long walk to school"},
    "NewPassword": {"current": "", "password": "a long walk to school"},
    "NewContact": {"contact": "0911-222-333", "current": "a long walk to school"},
    "ContactProof": {"code": "549497"},
    "NotMe": {"token": TOKEN},
    "NotMineLink": {"token": TOKEN},
    "StudentBody": {**_STUDENT, "school_id": "school-01"},
    "NewStudentBody": {"relation": "mother", "level": "elementary"},
    "RelationBody": {"relation": "other", "relation_text": "叔叔"},
    "ConsentBody": {"version": STATEMENT},
    "IdNumberBody": {"national_id": "A800000014"},
    "ParentIdBody": {"national_id": "F223456786"},
    "ParentBody": {"name": "林淑芬", "email": LOGIN, "phone": "0912-345-678"},
    "CodeBody": {"code": "549497"},
    "Submission": {"signature": SIGNATURE},
    "ObjectionBody": {"reason": "我們沒有這位親戚，請學校查明。"},
    "Confirmation": {"password": "a long walk to school"},
}
ANSWERS: dict[str, Any] = {
    "CodeState": {
        "attempt": ATTEMPT,
        "contact_masked": "li***@example.org",
        "expires_at": "2026-11-24T10:00:00Z",
        "resend_in": 60,
        "tries_left": 5,
    },
    "SessionState": {"token": TOKEN, "expires_at": "2026-11-24T21:00:00Z", "next": "students", "device": ""},
    "CurrentSession": {
        "contact_masked": "li***@example.org",
        "proven_by": "email",
        "expires_at": "2026-11-24T21:00:00Z",
        "has_account": False,
        "password_change_due": False,
    },
    "Place": {
        "id": SESSION,
        "browser": "Chrome",
        "system": "Android",
        "by_code": False,
        "since": SUBMITTED,
        "last_used_at": SUBMITTED,
        "is_this": True,
    },
    "Contacts": {"email": LOGIN, "phone": PHONE},
    "ContactChange": {"proven": False, "expires_at": "2026-11-24T10:00:00Z", "resend_in": 60, "tries_left": 5},
    "NoticeState": {"kind": "password_changed"},
    "DisownedNotice": {"kind": "approved", "sent_at": "2026-11-24T09:30:00Z"},
    "School": {"id": "school-01", "name": "中正國小", "level": "elementary"},
    "IdNumberState": {"kind": "resident"},
    "StatementState": {"version": STATEMENT, "language": "zh-TW", "hash": HASH, "text": "# 一、蒐集之目的\n……"},
    "DraftState": {
        "id": DRAFT,
        "students": [
            {
                "id": "student-010101",
                "name": "李小美",
                "school": "中正國小",
                "class_name": "三年一班",
                "relation": "mother",
                "relation_label": "母親",
            }
        ],
        "new_student": None,
        "look_ups_left": 9,
        "students_dropped": False,
        "consent_version": STATEMENT,
        "parent": {
            "national_id_masked": "F223***86",
            "has_account": False,
            "is_known": False,
            "name": "林淑芬",
            "email_masked": "li***@example.org",
            "phone_masked": "0912***678",
            "email_proven": True,
        },
        "email_code": None,
        "missing": None,
    },
    "SubmissionState": {"id": APPLICATION, "number": NUMBER},
    "BindingState": {
        "id": BINDING,
        "application_id": APPLICATION,
        "application_number": NUMBER,
        "has_paper_form": True,
        "on_paper": False,
        "student": "李小美",
        "school": "中正國小",
        "class_name": "三年一班",
        "relation": "mother",
        "relation_label": "母親",
        "state": "pending",
        "state_label": "申請",
        "reason": "",
        "submitted_at": SUBMITTED,
        "changed_at": SUBMITTED,
        "left_on": None,
    },
    "GenuineState": {
        "number": NUMBER,
        "submitted_at": SUBMITTED,
        "parent_name": "林○芬",
        "students": ["李○美"],
        "hash": HASH,
        "is_file": False,
    },
    "Child": {**_CHILD, "bound_at": DECIDED},
    "FamilyChild": {
        **_CHILD,
        "binding_id": BINDING,
        "relation": "mother",
        "state": "approved",
        "state_label": "認證",
        "since": DECIDED,
        "guardians": [_GUARDIAN],
    },
    "GuardianState": _GUARDIAN,
    "MyData": {
        "account": {
            "login": LOGIN,
            "name": "林淑芬",
            "phone": PHONE,
            "national_id": "F223456786",
            "language": "zh-TW",
            "opened_at": DECIDED,
            "deletion_due": None,
        },
        "applications": [
            {
                "id": APPLICATION,
                "number": NUMBER,
                "submitted_at": SUBMITTED,
                "name": "林淑芬",
                "email": LOGIN,
                "phone": PHONE,
                "national_id": "F223456786",
                "language": "zh-TW",
                "statement_version": STATEMENT,
                "statement_language": "zh-TW",
                "statement_hash": HASH,
                "consented_at": SUBMITTED,
                "consent_address": "192.0.2.1",
                "signature": SIGNATURE,
                "document_hash": HASH,
                "on_paper": False,
                "paper_forms_made": [],
                "bindings": [
                    {
                        "id": BINDING,
                        "student": "李小美",
                        "school": "中正國小",
                        "class_name": "三年一班",
                        "relation": "mother",
                        "relation_text": "",
                        "state": "approved",
                        "submitted_at": SUBMITTED,
                        "changed_at": DECIDED,
                        "reason": "",
                    }
                ],
            }
        ],
        "objections": [],
        "sessions": [],
        "browsers": [{"last_used_at": DECIDED}],
        "notices": [],
        "contact_changes": [],
        "draft": None,
    },
    "DeletionState": {"due_at": "2026-12-10T01:15:00Z"},
    "ImportBegun": {"id": IMPORT, "location": f"/api/v1/roster/imports/{IMPORT}"},
    "ImportState": {
        "id": IMPORT,
        "pushed_by": "school-system",
        "state": "done",
        "reason": "",
        "dry_run": False,
        "strict": False,
        "allow_removals": False,
        "started_at": SUBMITTED,
        "finished_at": SUBMITTED,
        "progress": None,
        "revision": 7,
        "counts": {"students": _COUNTS},
        "bad_line_count": 1,
        "bad_lines": [{"file": "users.csv", "line": 812, "column": "userIds", "reason": "no national ID"}],
        "passed_over": {},
    },
}
EXAMPLES = REQUESTS | ANSWERS
