"""What operators read, in words: kinds, states, providers, and what a reason means and asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.languages import Words, marked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.events import Language

#: Who runs the platform works in Taipei: those who read no Chinese there read English.
LANGUAGES: tuple[Language, ...] = ("zh-TW", "en")
WORDS = Words("notify_service.operators")
_ = WORDS.gettext

KINDS = {
    "code": marked("驗證碼"),
    "application_received": marked("已收到申請"),
    "approved": marked("通過"),
    "account_opened": marked("通過，帳號已開好"),
    "new_device": marked("新裝置登入"),
    "password_changed": marked("密碼變更"),
    "email_changed": marked("電子信箱變更"),
    "phone_changed": marked("電話變更"),
    "email_claimed": marked("信箱被登記"),
    "first_password_stopped": marked("第一次密碼停用"),
    "secured": marked("這不是我：已保護"),
    "refused": marked("不通過"),
    "withdrawn": marked("已取消"),
    "revoked": marked("學校解除綁定"),
    "guardian_bound": marked("另一位監護人已綁定"),
    "objection_closed": marked("異議已處理"),
    "deletion_asked": marked("帳號將刪除"),
    "account_deleted": marked("帳號已刪除"),
    "digest": marked("每日待審摘要"),
    "reminder": marked("審核提醒"),
    "escalation": marked("逾期未審通知"),
}
CHANNELS = {"email": marked("電子郵件"), "sms": marked("簡訊")}
STATES = {
    "waiting": marked("等待寄送"),
    "sent": marked("已寄出"),
    "failed": marked("寄送失敗"),
    "dropped": marked("過期未寄"),
}
PERIODS = {
    "hour": marked("最近 1 小時"),
    "day": marked("最近 24 小時"),
    "week": marked("最近 7 天"),
    "month": marked("最近 30 天"),
    "all": marked("全部時間"),
}
HEALTH = {
    "works": marked("正常"),
    "shaky": marked("剛才失敗"),
    "failing": marked("連續失敗"),
    "unused": marked("尚未使用"),
}
OUTCOMES = {
    "accepted": marked("已接收"),
    "temporary": marked("暫時拒收"),
    "permanent": marked("永久拒收"),
    "declined": marked("此服務商不收"),
    "technical": marked("服務商故障"),
    "unknown": marked("結果不明"),
}
ACTS = {
    "signed_in": marked("已登入"),
    "refused": marked("登入被拒"),
    "signed_out": marked("已登出"),
    "sent_again": marked("已重新寄送"),
}

#: What a reason means and what is to be done, where it says more than its fault does.
OF_REASONS = {
    "LimitReached": (
        marked("這個小時的寄送上限已用完。"),
        marked("通知會在下一個整點自動寄出，驗證碼不會再寄。量若正常，請調高上限後重新啟動 notify。"),
    ),
    "CountryNotAllowed": (
        marked("收件門號的國家不在簡訊允許名單內。"),
        marked("若應該允許，請加入 NOTIFY_SMS_COUNTRIES。"),
    ),
    "NoProviderForCountry": (
        marked("沒有服務商能寄到收件門號的國家。"),
        marked("請在 NOTIFY_SMS_PROVIDERS 加入能寄到該國的服務商。"),
    ),
    "CircuitsOpen": (
        marked("所有服務商都連續失敗，暫停嘗試。"),
        marked("恢復後會自動寄出。請先看首頁的服務商狀態。"),
    ),
    "ClaimEnded": (
        marked("寄送途中程序中斷，不知道是否已寄出。"),
        marked("系統會再寄一次，收件人可能收到兩封。"),
    ),
    "UnsealError": (
        marked("內容無法解開：金鑰已不在設定中。"),
        marked("請把舊金鑰放回 NOTIFY_KEY_STORE。"),
    ),
}
#: By fault, as in notify_service.errors.
OF_FAULTS = {
    "temporary": (
        marked("收件端要求稍後再試（例如信箱已滿）。"),
        marked("系統會自動再試，不需處理。"),
    ),
    "permanent": (
        marked("收件端拒收：信箱或門號不存在，或內容被擋。"),
        marked("重新寄送通常沒有用，請由學校聯絡家長更正聯絡方式。"),
    ),
    "declined": (
        marked("這家服務商不寄這一則，多半因為收件對象不在它的服務範圍；其他的仍照常寄。"),
        marked("系統會改由其他服務商寄，或稍後再試。若常發生，請查看服務商的設定與服務範圍。"),
    ),
    "technical": (
        marked("服務商無法使用：連不上、忙碌、餘額不足或設定有誤。"),
        marked("請查看服務商與設定，修復後再重新寄送。"),
    ),
    "unknown": (
        marked("已送出但沒有收到回應，不知道服務商是否收下。"),
        marked("系統會再試；收件人可能收到兩封。"),
    ),
    "limit": (
        marked("被寄送限制擋下。"),
        marked("請查看寄送上限與允許的國家。"),
    ),
}
EXPIRED = (marked("在有效期限內沒有寄出。"), marked("驗證碼請家長重新索取。通知請看當時的服務商狀態。"))
#: Of a provider's codes, by the whole reason, where it says more than its fault.
SIGN_IN = marked("服務商不接受我們的帳號、密碼或權杖。")
NO_CREDIT = marked("服務商帳戶的點數或餘額用完了。")
NO_SUCH_NUMBER = marked("門號不存在，或不能收簡訊。")
FILTERED = marked("簡訊被電信業者或服務商過濾。")
PRECISELY = {
    "HTTP 401": SIGN_IN,
    "HTTP 402": NO_CREDIT,
    "Mitake e": SIGN_IN,
    "Mitake k": marked("服務商的允許名單中沒有我們的 IP 位址。"),
    "Mitake s": NO_CREDIT,
    "Mitake 5": marked("簡訊的內容有誤。"),
    "Mitake 6": NO_SUCH_NUMBER,
    "Mitake 7": marked("這個門號停用了簡訊。"),
    "Mitake 8": marked("簡訊沒有在期限內送達，手機可能關機。"),
    "Twilio 20003": SIGN_IN,
    "Twilio 21408": marked("服務商帳戶沒有開啟寄往這個國家。"),
    "Twilio 30003": marked("手機關機或收不到訊號。"),
    "Twilio 30005": NO_SUCH_NUMBER,
    "Twilio 30006": NO_SUCH_NUMBER,
    "Twilio 30007": FILTERED,
}
#: Reply codes of RFC 5321, as mail servers use them.
OF_MAIL = {
    "535": SIGN_IN,
    "550": marked("信箱不存在或拒收。"),
    "552": marked("信箱已滿。"),
    "554": marked("郵件被對方擋下。"),
}


def named(words: Mapping[str, str], key: str) -> str:
    """The word of this key; the key itself where there is none, as for a provider."""
    return _(words[key]) if key in words else key


def explained(state: str, fault: str, reason: str) -> tuple[str, str]:
    """What a message's or a try's reason means, and what is to be done; both empty where there is nothing to say."""
    if state == "sent" and not fault:
        return "", ""
    name, _space, code = reason.partition(" ")
    meaning, advice = OF_REASONS.get(name) or OF_FAULTS.get(fault) or (EXPIRED if state == "dropped" else ("", ""))
    meaning = PRECISELY.get(reason) or (name.startswith("SMTP") and OF_MAIL.get(code)) or meaning
    return _(meaning) if meaning else "", _(advice) if advice else ""
