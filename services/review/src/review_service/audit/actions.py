"""What the audit log calls an act, in words. An act that is not here is shown by its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.words import _
from shared.languages import marked

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS: Mapping[str, str] = {
    "signed-in": marked("登入"),
    "signed-out": marked("登出"),
    "signed-out.everywhere": marked("登出所有裝置"),
    "sign-in.refused": marked("登入失敗"),
    "sign-in.locked": marked("登入嘗試過多，暫時鎖定"),
    "account.opened": marked("開立帳號"),
    "account.reset": marked("重設密碼"),
    "account.closed": marked("停用帳號"),
    "account.reopened": marked("重新啟用帳號"),
    "password.changed": marked("變更密碼"),
    "applications.listed": marked("查看申請列表"),
    "application.looked-at": marked("查看申請"),
    "application.contacts-shown": marked("顯示完整身分證字號與聯絡方式"),
    "application.approve": marked("核准申請"),
    "application.refuse": marked("申請不通過"),
    "application.undone": marked("復原決定"),
    "application.revoked": marked("解除綁定"),
    "application.paper-entered": marked("登錄紙本申請"),
    "objections.listed": marked("查看異議列表"),
    "objection.looked-at": marked("查看異議"),
    "objection.answered": marked("回覆異議"),
    "application.disowned": marked("收件人表示通知不是他的（申請）"),
    "application.disowned-handled": marked("查明收件人的表示（申請）"),
    "notice.disowned": marked("收件人表示通知不是他的（教職員）"),
    "notice.disowned-handled": marked("查明收件人的表示（教職員）"),
    "disowned.listed": marked("查看收件人的表示"),
    "students.looked-at": marked("查看學生名單"),
    "invitations.printed": marked("列印邀請單"),
    "custody.looked-at": marked("查看監護註記"),
    "custody.set": marked("設定監護註記"),
    "custody.cleared": marked("清除監護註記"),
    "substitute.named": marked("指定代理老師"),
    "substitute.ended": marked("結束代理"),
    "class.moved": marked("移交班級"),
    "class.returned": marked("交還班級"),
    "reasons.changed": marked("修改不通過理由"),
    "audit.looked-at": marked("查看紀錄"),
    "audit.exported": marked("匯出紀錄"),
}
ROLES: Mapping[str, str] = {
    "teacher": marked("老師"),
    "administrator": marked("學校管理者"),
    "operator": marked("系統維運"),
}


def action_words(action: str) -> str:
    """The act, in the reader's language."""
    return _(ACTIONS[action]) if action in ACTIONS else action


def role_words(role: str) -> str:
    """The role, in the reader's language; a role of old lines may be empty."""
    return _(ROLES[role]) if role in ROLES else role
