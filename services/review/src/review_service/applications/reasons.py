"""What a teacher can pick as the reason of a refusal.

The words go to the parent as they stand here, whatever language the teacher reads; the catalogues say to the teacher
what they mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.languages import marked

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMON_REASONS: Mapping[str, str] = {
    "mismatch": marked("填寫的資料與學校紀錄不符"),
    "other-child": marked("選到了別的學生，請確認後重新申請"),
    "relation": marked("與學生的關係無法確認，請與導師聯絡"),
    "signature": marked("簽名無法辨識，請重新簽名"),
    "duplicate": marked("重複申請"),
}
