from __future__ import annotations

from datetime import date

import pytest

from binding_service.roster.oneroster import (
    BadFieldError,
    Line,
    full_name,
    parse_class,
    parse_enrollment,
    parse_org,
    parse_role,
    parse_user,
)

TODAY = date(2026, 11, 24)
NUMBER = "F223456786"


def make_user(**fields: str) -> Line:
    usual = {"sourcedId": "U1", "userIds": "", "givenName": "小明", "familyName": "王", "email": ""}
    return Line(2, {**usual, **{name.replace("__", "."): value for name, value in fields.items()}}, "")


def make_role(**fields: str) -> Line:
    usual = {"userSourcedId": "U1", "roleType": "primary", "role": "teacher", "orgSourcedId": "S1"}
    return Line(2, {**usual, **fields}, "")


def make_enrollment(**fields: str) -> Line:
    usual = {"classSourcedId": "C1", "userSourcedId": "U1", "role": "student", "primary": ""}
    return Line(2, {**usual, **fields}, "")


def make_class(**fields: str) -> Line:
    usual = {"sourcedId": "C1", "title": "班", "grades": "03", "classType": "homeroom", "schoolSourcedId": "S1"}
    return Line(2, {**usual, **fields}, "")


@pytest.mark.parametrize(
    "fields",
    [
        {"userIds": f"{{TWID:{NUMBER}}}"},
        {"userIds": f"{{Fed:31xy}},{{twid: {NUMBER.lower()} }}"},
        {"metadata__tw__nationalId": NUMBER},
        {"userIds": f"{{TWID:{NUMBER}}}", "metadata__tw__nationalId": "H100000008"},
    ],
)
def test_the_id_number_is_read_from_user_ids_else_from_the_extension_column(fields: dict[str, str]):
    user = parse_user(make_user(**fields), TODAY)
    assert user is not None
    assert (user.national_id, user.national_id_problem) == (NUMBER, "")


@pytest.mark.parametrize("column", ["sourcedId", "username", "identifier"])
def test_the_id_number_is_never_read_from_another_column(column: str):
    user = parse_user(make_user(**{column: NUMBER}), TODAY)
    assert user is not None
    assert user.national_id == ""


@pytest.mark.parametrize(
    ("fields", "column", "problem"),
    [
        ({}, "userIds", "is empty of an ID number"),
        ({"userIds": "{TWID:}"}, "userIds", "is empty of an ID number"),
        ({"metadata__tw__nationalId": ""}, "metadata.tw.nationalId", "is empty"),
        ({"metadata__tw__nationalId": "F22345678"}, "metadata.tw.nationalId", "the ID number's form is wrong"),
        ({"userIds": "{TWID:F223456780}"}, "userIds", "the ID number's check digit is wrong"),
    ],
)
def test_what_is_wrong_with_an_id_number_is_kept_with_its_column(fields: dict[str, str], column: str, problem: str):
    user = parse_user(make_user(**fields), TODAY)
    assert user is not None
    assert (user.national_id, user.national_id_column, user.national_id_problem) == ("", column, problem)


@pytest.mark.parametrize(
    ("family", "given", "name"),
    [
        ("王", "小明", "王小明"),
        ("歐陽", "菲菲", "歐陽菲菲"),
        ("Kusui", "Panay", "Panay Kusui"),
        ("Nguyễn", "Thị Mai", "Thị Mai Nguyễn"),
        ("王", "", "王"),
        ("", "Panay", "Panay"),
        ("𠮷田", "一", "𠮷田一"),
    ],
)
def test_a_name_is_put_together_as_it_is_written(family: str, given: str, name: str):
    assert full_name(family, given) == name


def test_a_user_without_any_name_is_refused():
    with pytest.raises(BadFieldError) as caught:
        parse_user(make_user(givenName="", familyName=" "), TODAY)
    assert caught.value.column == "familyName"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("student", "student"),
        ("teacher", "teacher"),
        ("principal", "administrator"),
        ("siteAdministrator", "administrator"),
        ("systemAdministrator", "administrator"),
        ("administrator", "administrator"),
        ("parent", "parent"),
        ("guardian", "guardian"),
        ("relative", "relative"),
    ],
)
def test_a_role_is_a_student_a_teacher_an_administrator_or_a_guardian(word: str, kind: str):
    role = parse_role(make_role(role=word), TODAY)
    assert role is not None
    assert role.kind == kind


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "aide"},
        {"role": "districtAdministrator"},
        {"status": "tobedeleted"},
        {"endDate": "2026-11-24"},
        {"endDate": "2026-11-23T00:00:00Z"},
    ],
)
def test_roles_that_are_over_or_are_nothing_here_are_passed_over(fields: dict[str, str]):
    assert parse_role(make_role(**fields), TODAY) is None


def test_a_role_lasts_until_its_end_date():
    assert parse_role(make_role(endDate="2026-11-25"), TODAY) is not None


def test_the_role_of_a_student_or_guardian_needs_no_organisation_and_a_teachers_does():
    for role in ("student", "parent"):
        assert parse_role(make_role(role=role, orgSourcedId=""), TODAY) is not None
    with pytest.raises(BadFieldError):
        parse_role(make_role(orgSourcedId=""), TODAY)


def test_only_a_primary_teacher_is_a_homeroom_teacher():
    assert parse_enrollment(make_enrollment(role="teacher", primary="TRUE"), TODAY) is not None
    assert parse_enrollment(make_enrollment(role="teacher", primary="false"), TODAY) is None
    assert parse_enrollment(make_enrollment(role="teacher", primary="true", endDate="2026-01-01"), TODAY) is None
    assert parse_enrollment(make_enrollment(role="aide"), TODAY) is None


def test_a_student_who_left_a_class_is_told_from_one_who_never_was_in_one():
    left = parse_enrollment(make_enrollment(endDate="2026-07-01"), TODAY)
    assert left is not None
    assert left.ended


@pytest.mark.parametrize(
    ("grades", "levels"),
    [
        ("03", ["elementary"]),
        ("7, 8", ["junior_high"]),
        ("09,10", ["junior_high", "senior_high"]),
        ("KG,PK,Other", []),
        ("", []),
    ],
)
def test_the_grades_of_a_class_tell_its_levels(grades: str, levels: list[str]):
    each = parse_class(make_class(grades=grades), TODAY)
    assert each is not None
    assert each.levels == levels


def test_other_classes_and_organisations_are_kept_to_refer_to_and_need_little():
    other = parse_class(make_class(classType="scheduled", title="", schoolSourcedId=""), TODAY)
    district = parse_org(Line(2, {"sourcedId": "D1", "type": "district", "name": "", "identifier": ""}, ""), TODAY)
    assert other is not None
    assert not other.homeroom
    assert district is not None
    assert not district.is_school


def test_spaces_around_and_within_a_field_are_made_one():
    each = parse_class(make_class(title="  三年\u3000 一班 "), TODAY)
    assert each is not None
    assert each.name == "三年 一班"


@pytest.mark.parametrize(
    ("text", "ids"),
    [("", []), ("G2,G1", ["G1", "G2"]), (" G1 ,, G1,", ["G1"]), (f"G1,{'x' * 256}", ["G1"])],
)
def test_the_guardians_of_a_student_are_a_list_of_ids(text: str, ids: list[str]):
    user = parse_user(make_user(agentSourcedIds=text), TODAY)
    assert user is not None
    assert user.agents == ids


def test_a_telephone_field_keeps_nobody_out():
    user = parse_user(make_user(sms="call me " * 100, phone=" 02 2345 6789 "), TODAY)
    assert user is not None
    assert (len(user.sms), user.phone) == (255, "02 2345 6789")
