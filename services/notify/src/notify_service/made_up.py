"""Made-up people and what happened to them: the notices are looked at, and tested, with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.events import SubmittedStudent, WaitingClass

if TYPE_CHECKING:
    from shared.events import Language

EMAIL = "mei.wang@example.org"
STAFF_EMAIL = "chen@school.example"
MOBILE = "+886912345678"
CODE = "049497"
EXPIRES_AT = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
#: As long as the real ones are: each knows a kind, an id and a time, sealed.
NOT_MINE_TOKEN = "k1." + "uQ7x_Zr2-" * 26
NOT_ME_TOKEN = "w1kD0fz" + "9XbQ3mLs" * 4

#: Names as people have them who read another language: there a name is the only thing that a sentence must bear.
FOREIGN = {
    "parent_name": "Nguyễn Thị Mai",
    "student_name": "Wu Bao-An",
    "students": [SubmittedStudent(name="Wu Bao-An", school="Zhongzheng Elementary")],
    "guardian_name_masked": "W○○ Ming",
}


def make_values(**overrides: object) -> dict[str, Any]:
    """What all notices together may say."""
    return {
        "code": CODE,
        "expires_at": EXPIRES_AT,
        "number": "20261124-7K3FQ9",
        "parent_name": "王小美",
        "student_name": "吳大寶",
        "students": [
            SubmittedStudent(name="吳大寶", school="市立中正國小"),
            SubmittedStudent(name="吳二寶", school="市立文心國中"),
        ],
        "email": EMAIL,
        "until": EXPIRES_AT + timedelta(days=14),
        "reason": "關係填的是祖父，\n簽名的是母親。",
        "has_left": False,
        "name": "陳老師",
        "classes": [WaitingClass(class_name="五年一班", waiting=2), WaitingClass(class_name="五年二班", waiting=1)],
        "waiting": 3,
        "oldest_days": 4,
        "objections": 2,
        "objections_since": datetime(2025, 11, 20, 1, 5, tzinfo=UTC),
        "happened_at": datetime(2026, 11, 24, 1, 15, tzinfo=UTC),
        "browser": "Chrome",
        "system": "Android",
        "now_masked": "me***@example.org",
        "not_me_token": NOT_ME_TOKEN,
        "not_mine_token": NOT_MINE_TOKEN,
        "binding_id": "6f0b3c0a-93b5-4a3a-9a53-3c2a3a1f8a10",
        "guardian_name_masked": "吳○明",
        "relation": "paternal_grandfather",
        "relation_text": "",
        "outcome": "answered",
        "note": "學校已與雙方聯絡。",
        "due": EXPIRES_AT + timedelta(days=30),
    } | overrides


def make_values_for(language: Language, **overrides: object) -> dict[str, Any]:
    """The same, about people who read this language."""
    return make_values(**({} if language == "zh-TW" else FOREIGN) | overrides)
