"""The guide's own words for relations, school levels and states."""

from __future__ import annotations

RELATIONS = {
    "father": "父親",
    "mother": "母親",
    "paternal_grandfather": "祖父",
    "paternal_grandmother": "祖母",
    "maternal_grandfather": "外祖父",
    "maternal_grandmother": "外祖母",
    "other": "其他",
}
LEVELS = {"elementary": "國小", "junior_high": "國中", "senior_high": "高中", "vocational_high": "高職"}
STATES = {"pending": "申請", "approved": "認證", "refused": "不通過"}


def relation(key: str, text: str = "") -> str:
    """父親; for other, the parent's own words."""
    return text or RELATIONS[key]
