"""What a parent reads for each code, in the parent's language: one text, the same on a page and in the API."""

from __future__ import annotations

from binding_service.errors import BindingError, InvalidFieldsError
from binding_service.words import _
from shared.languages import marked

MESSAGES = {
    # Whole requests
    "invalid_fields": marked("有些內容需要修正。"),
    "not_signed_in": marked("登入已逾時，請重新取得驗證碼登入；已填寫的資料都還在。"),
    "not_found": marked("找不到這筆資料。"),
    "step_missing": marked("前面的步驟還沒有完成。"),
    "students_changed": marked("有學生的學籍資料已變更，不在您填寫的學校；請重新確認學生名單。"),
    "code_rejected": marked("驗證碼不正確或已失效，還可以再試 {tries_left} 次。"),
    "code_dead": marked("驗證碼不正確或已失效，這組驗證碼不能再試了，請重新取得驗證碼。"),
    "no_attempt": marked("請先取得驗證碼。"),
    "too_soon": marked("驗證碼剛寄出，請等 {retry_after} 秒後再重新取得。"),
    "limited": marked("嘗試次數過多，請在 {minutes} 分鐘後再試。"),
    "service_away": marked("系統暫時忙碌，您填寫的資料都已保留，請稍後再試一次。"),
    "no_match": marked("查無符合的學生，請確認身分證字號、學層與學校是否正確；若仍無法找到，請洽學校資訊組長。"),
    "student_known": marked("{name} 已完成綁定或正在申請中，不需重複申請。"),
    "statement_changed": marked("聲明內容已更新，請重新閱讀並同意。"),
    "email_taken": marked("此電子信箱已是另一位家長的登入帳號，請改用其他信箱。"),
    "not_pending": marked("這筆申請已經處理完成，無法取消。"),
    "objection_open": marked("您已經送出異議，學校正在處理。"),
    "wrong_credentials": marked("帳號或密碼不正確。"),
    "wrong_password": marked("目前的密碼不正確。"),
    "required.current": marked("請輸入目前的密碼。"),
    "no_account": marked("這個電子信箱目前沒有家長帳號；申請審核通過後，帳號才會開好。"),
    "link_over": marked("這個連結已經用過或過期了。"),
    "password_change_due": marked("第一次登入後請先變更密碼。"),
    "too_large": marked("送出的內容太大，請重新整理頁面後再試。"),
    "idempotency_key_reused": marked("同一個識別碼已用於另一個請求，請重新整理後再送出。"),
    "request_in_progress": marked("相同的請求正在處理，請稍候。"),
    "bad_operator_token": marked("權杖不正確，或已停用。"),
    "push_disabled": marked("這個系統沒有開放以網路傳送學籍資料。"),
    "import_runs": marked("另一次學籍匯入正在進行，請稍後再傳送。"),
    "unsupported_type": marked("學籍資料請以 ZIP 檔（application/zip）傳送。"),
    "not_a_zip": marked("傳送的內容不是完整的 ZIP 檔。"),
    "other_origin": marked("這個請求來自其他網站，為了您的安全沒有執行。"),
    "bad_request": marked("送出的內容無法辨識。"),
    "internal_error": marked("系統發生錯誤，我們已留下紀錄；您填寫的資料都已保留，請稍後再試。"),
    "paper_unavailable": marked("申請書暫時無法產生，請稍後再試。"),
    # Fields
    "required": marked("請填寫這個欄位。"),
    "choose": marked("請選擇一項。"),
    "required.email": marked("請填寫電子信箱。"),
    "required.phone": marked("請填寫電話號碼。"),
    "required.national_id": marked("請填寫學生的身分證字號。"),
    "required.reason": marked("請說明原因。"),
    "reason_long": marked("最多 {limit} 個字，請精簡後再送出。"),
    "required.parent_id": marked("請填寫家長的身分證字號。"),
    "choose.channel": marked("請選擇驗證碼要寄到哪裡。"),
    "choose.relation": marked("請選擇您與學生的關係。"),
    "choose.level": marked("請選擇學生的學層。"),
    "choose.school_id": marked("請選擇學生的學校。"),
    "bad_email": marked("請輸入正確的電子信箱，例如 name@example.com。"),
    "bad_mobile": marked("請輸入正確的手機號碼，例如 0912-345-678。"),
    "bad_phone": marked("請輸入正確的手機或市話號碼，例如 0912-345-678 或 02-2345-6789。"),
    "contact_refused": marked("驗證碼無法傳送到這個號碼，請改用臺灣的手機號碼或電子信箱。"),
    "same_contact": marked("這就是目前登記的，不需要更改。"),
    "bad_code": marked("請輸入 6 位數字的驗證碼。"),
    "bad_id_number": marked("身分證字號不正確，請檢查每個字是否都輸入正確。"),
    "bad_hash": marked("請輸入申請書上 64 個字的雜湊值，或選擇申請書的 PDF 檔案。"),
    "relation_text": marked("請填寫您與學生的關係（40 字以內）。"),
    "bad_name": marked("請填寫姓名（50 字以內）。"),
    "not_account_holder": marked(
        "您已用家長帳號登入，只能由帳號本人申請。要替其他家長申請，請先登出，再用驗證碼登入。"
    ),
    "already_in_draft": marked("這位學生已經在名單中。"),
    "too_many_students": marked("一次最多申請 {limit} 位學生。"),
    "consent_required": marked("請先閱讀聲明，並勾選同意。"),
    "signature_empty": marked("請簽署全名；無法手寫時，可以改用輸入姓名。"),
    "signature_too_large": marked("簽名的筆畫太多，請按「清除」後重新簽名。"),
    "signature_malformed": marked("簽名無法辨識，請按「清除」後重新簽名。"),
    "signature_name_differs": marked("輸入的姓名須與家長姓名相同。"),
    "password_short": marked("新密碼至少需要 12 個字元。"),
    "password_long": marked("新密碼最多 256 個字元。"),
    "password_obvious": marked("新密碼不能包含身分證字號、電子信箱或本服務的名稱，這些別人容易猜到。"),
    "password_common": marked("這個密碼太多人用，容易被猜到；可以改用一句只有您會想到的話。"),
    "password_differs": marked("兩次輸入的新密碼不相同。"),
}


def text(code: str, **details: object) -> str:
    """The message of a code, with its details filled in."""
    return _(MESSAGES[code]).format_map(details)


def field_messages(error: BindingError) -> dict[str, str]:
    """Each field that is wrong, and what a parent reads at it."""
    if isinstance(error, InvalidFieldsError):
        return {field: _at(field, code, error.details) for field, code in error.fields.items()}
    return {error.field: message(error)} if error.field else {}


def _at(field: str, code: str, details: dict[str, object]) -> str:
    """The code's own words for this field, where it has some."""
    return text(f"{code}.{field}" if f"{code}.{field}" in MESSAGES else code, **details)


def message(error: BindingError) -> str:
    """What a parent reads about an error."""
    minutes = max(1, -(-(error.retry_after or 0) // 60))
    return text(error.code, retry_after=error.retry_after, minutes=minutes, **error.details)
