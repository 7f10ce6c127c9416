from __future__ import annotations

import ast
import string
from importlib.resources import files
from pathlib import Path

import pytest

from binding_service import errors
from binding_service.messages import MESSAGES, field_messages, message

SOURCES = sorted(Path(str(files("binding_service"))).rglob("*.py"))


def error_classes(base: type[errors.BindingError] = errors.BindingError) -> list[type[errors.BindingError]]:
    return [each for kind in base.__subclasses__() for each in (kind, *error_classes(kind))]


def calls() -> list[ast.Call]:
    return [
        node
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def field_codes() -> set[str]:
    """Every code that the sources put at a field: the values of the dicts and of the functions that name problems."""
    found = {
        value.value
        for call in calls()
        if name_of(call) == "InvalidFieldsError"
        for value in (call.args[0].values if isinstance(call.args[0], ast.Dict) else [])
        if isinstance(value, ast.Constant)
    }
    return found | {
        "choose",
        "relation_text",
        "bad_name",
        "signature_empty",
        "signature_name_differs",
        "password_short",
        "password_long",
        "password_obvious",
        "password_common",
        "password_differs",
        "required",
        "bad_email",
        "bad_phone",
        "bad_mobile",
        "contact_refused",
    }


def placeholders(code: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(MESSAGES[code]) if name}


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_message(kind: type[errors.BindingError]) -> None:
    assert kind.code in MESSAGES
    assert 400 <= kind.status < 600


def test_every_code_at_a_field_has_a_message() -> None:
    codes = field_codes()
    assert len(codes) > 15
    assert codes <= MESSAGES.keys()


def test_every_error_is_raised_with_what_its_message_needs() -> None:
    by_name = {kind.__name__: kind for kind in error_classes()}
    for call in calls():
        kind = by_name.get(name_of(call))
        if kind is None or issubclass(kind, errors.InvalidFieldsError):
            continue
        needed = placeholders(kind.code) - {"minutes"}
        if "minutes" in placeholders(kind.code):
            needed |= {"retry_after"}
        assert needed <= {keyword.arg for keyword in call.keywords}, (kind.__name__, call.lineno)


def test_two_errors_never_share_a_code() -> None:
    codes = [kind.code for kind in error_classes()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(("seconds", "minutes"), [(1, 1), (60, 1), (61, 2), (3600, 60)])
def test_a_wait_is_told_in_whole_minutes_rounded_up(seconds: int, minutes: int) -> None:
    assert f"{minutes} 分鐘" in message(errors.LimitedError(retry_after=seconds))


def test_a_field_with_words_of_its_own_gets_those() -> None:
    shown = field_messages(errors.InvalidFieldsError({"email": "required", "name": "required"}))
    assert shown == {"email": "請填寫電子信箱。", "name": "請填寫這個欄位。"}


def test_a_limit_stands_in_its_message() -> None:
    error = errors.InvalidFieldsError({"national_id": "too_many_students"}, limit=7)
    assert "7 位" in field_messages(error)["national_id"]
