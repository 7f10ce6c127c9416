"""The guide's own words for relations, school levels and states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from binding_service.words import _
from shared.languages import marked

if TYPE_CHECKING:
    from datetime import date

RELATIONS = {
    "father": marked("父親"),
    "mother": marked("母親"),
    "paternal_grandfather": marked("祖父"),
    "paternal_grandmother": marked("祖母"),
    "maternal_grandfather": marked("外祖父"),
    "maternal_grandmother": marked("外祖母"),
    "other": marked("其他"),
}
LEVELS = {
    "elementary": marked("國小"),
    "junior_high": marked("國中"),
    "senior_high": marked("高中"),
    "vocational_high": marked("高職"),
}
STATES = {
    "pending": marked("申請"),
    "approved": marked("認證"),
    "refused": marked("不通過"),
    "revoked": marked("已解除綁定"),
}


def relation(key: str, text: str = "") -> str:
    """父親; for other, the parent's own words."""
    return text or _(RELATIONS[key])


def left(day: date) -> str:
    """已畢業或離校（2026/6/30）: the roster does not say which of the two."""
    return _("已畢業或離校（{day}）").format(day=f"{day.year}/{day.month}/{day.day}")


def level(key: str) -> str:
    """國小."""
    return _(LEVELS[key])


def state(key: str) -> str:
    """申請, 認證, 不通過, 已解除綁定."""
    return _(STATES[key])
