from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING

import pytest

from binding_service.roster.errors import UnreadableRosterError
from binding_service.roster.oneroster import (
    FILES,
    BadFieldError,
    Gone,
    Line,
    blocks,
    full_name,
    lines,
    modified_at,
    parse_class,
    parse_enrollment,
    parse_org,
    parse_role,
    parse_user,
    read,
    read_manifest,
    size_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

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
    user = parse_user(make_user(**fields))
    assert user is not None
    assert (user.national_id, user.national_id_problem) == (NUMBER, "")


@pytest.mark.parametrize("column", ["sourcedId", "username", "identifier"])
def test_the_id_number_is_never_read_from_another_column(column: str):
    user = parse_user(make_user(**{column: NUMBER}))
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
    user = parse_user(make_user(**fields))
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
        parse_user(make_user(givenName="", familyName=" "))
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
    role = parse_role(make_role(role=word))
    assert role is not None
    assert role.kind == kind


@pytest.mark.parametrize("role", ["aide", "districtAdministrator"])
def test_roles_that_are_nothing_here_are_passed_over(role: str):
    assert parse_role(make_role(role=role)) is None


@pytest.mark.parametrize(
    ("end", "day"), [("", ""), ("2026-11-24", "2026-11-24"), ("2026-11-23T00:00:00Z", "2026-11-23")]
)
def test_a_role_has_its_end_date(end: str, day: str):
    role = parse_role(make_role(endDate=end))
    assert role is not None
    assert role.ends == day


@pytest.mark.parametrize("mode", ["bulk", "delta"])
def test_a_line_to_be_deleted_is_nothing_in_a_whole_file_and_gone_in_a_delta(mode: str):
    line = make_user(status="tobedeleted", dateLastModified="2026-11-24T00:00:00Z")
    assert read(FILES[2], line, mode) == (None if mode == "bulk" else Gone(2, "U1"))  # type: ignore[arg-type] - a literal


def test_what_concerns_nobody_here_is_gone_in_a_delta():
    line = Line(2, make_role(role="aide").fields | {"sourcedId": "R1", "status": "active"}, "")
    assert read(FILES[3], line, "delta") == Gone(2, "R1")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T09:30:00.000Z", "2026-11-24T09:30:00+00:00"),
        ("2026-11-24T09:30:00+08:00", "2026-11-24T01:30:00+00:00"),
        ("2026-11-24T09:30:00", "2026-11-24T09:30:00+00:00"),
        ("2026-11-24", "2026-11-24T00:00:00+00:00"),
        ("", ""),
    ],
)
def test_the_time_of_a_change_is_in_utc(text: str, moment: str):
    assert modified_at(make_user(dateLastModified=text), "bulk") == moment


def test_the_role_of_a_student_or_guardian_needs_no_organisation_and_a_teachers_does():
    for role in ("student", "parent"):
        assert parse_role(make_role(role=role, orgSourcedId="")) is not None
    with pytest.raises(BadFieldError):
        parse_role(make_role(orgSourcedId=""))


def test_only_a_primary_teacher_is_a_homeroom_teacher():
    assert parse_enrollment(make_enrollment(role="teacher", primary="TRUE")) is not None
    assert parse_enrollment(make_enrollment(role="teacher", primary="false")) is None
    assert parse_enrollment(make_enrollment(role="aide")) is None


def test_a_place_in_a_class_has_its_end_date():
    left = parse_enrollment(make_enrollment(endDate="2026-07-01"))
    assert left is not None
    assert left.ends == "2026-07-01"


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
    each = parse_class(make_class(grades=grades))
    assert each is not None
    assert each.levels == levels


def test_other_classes_and_organisations_are_kept_to_refer_to_and_need_little():
    other = parse_class(make_class(classType="scheduled", title="", schoolSourcedId=""))
    district = parse_org(Line(2, {"sourcedId": "D1", "type": "district", "name": "", "identifier": ""}, ""))
    assert other is not None
    assert not other.homeroom
    assert district is not None
    assert not district.is_school


def test_spaces_around_and_within_a_field_are_made_one():
    each = parse_class(make_class(title="  三年\u3000 一班 "))
    assert each is not None
    assert each.name == "三年 一班"


@pytest.mark.parametrize(
    ("text", "ids"),
    [("", []), ("G2,G1", ["G1", "G2"]), (" G1 ,, G1,", ["G1"]), (f"G1,{'x' * 256}", ["G1"])],
)
def test_the_guardians_of_a_student_are_a_list_of_ids(text: str, ids: list[str]):
    user = parse_user(make_user(agentSourcedIds=text))
    assert user is not None
    assert user.agents == ids


def test_a_telephone_field_keeps_nobody_out():
    user = parse_user(make_user(sms="call me " * 100, phone=" 02 2345 6789 "))
    assert user is not None
    assert (len(user.sms), user.phone) == (255, "02 2345 6789")


# --- files ---

HEADER = "sourcedId,name,type,identifier\r\n"


def read_orgs(path: Path) -> list[tuple[int, str]]:
    return numbered(lines(path, "orgs.csv"))


def numbered(*given: Iterable[Line]) -> list[tuple[int, str]]:
    return [(line.number, line.fields["name"]) for each in given for line in each]


def write_orgs(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "orgs.csv").write_bytes(text.encode(encoding))
    return folder


def zip_orgs(folder: Path, text: str = HEADER + "S1,a,school,1\r\n") -> Path:
    path = folder / "orgs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orgs.csv", text)
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_lines_may_end_in_any_way_and_the_file_begin_with_a_mark(tmp_path: Path, end: str, encoding: str):
    text = (HEADER + "S1,a,school,1\r\n\r\nS2,b,school,2").replace("\r\n", end)
    assert read_orgs(write_orgs(tmp_path, text, encoding)) == [(2, "a"), (4, "b")]


def test_a_line_break_within_quotation_marks_is_part_of_the_field_and_counts_as_a_line(tmp_path: Path):
    text = HEADER + 'S1,"a\r\nb",school,1\r\nS2,"say ""c""",school,2\r\nS3,d,school,3\r\n'
    assert read_orgs(write_orgs(tmp_path, text)) == [(2, "a\r\nb"), (4, 'say "c"'), (5, "d")]


def test_a_record_comes_with_its_text_and_what_is_known_is_passed_over(tmp_path: Path):
    records = ['S1,"a\r\nb",school,1\r\n', "S2,c,school,2\r\n", "S3,d,school,3"]
    write_orgs(tmp_path, HEADER + "".join(records))
    begun: list[str] = []

    def begin(header: str) -> Callable[[int, str], bool]:
        begun.append(header)
        return lambda number, text: (number, text) == (4, records[1])

    taken = [line for block in blocks(tmp_path, "orgs.csv", begin=begin) for line in block]
    assert [line.text for line in taken] == [records[0], records[2]]
    assert [line.text for line in lines(tmp_path, "orgs.csv")] == records
    assert begun == [HEADER]


def test_without_quotation_marks_it_is_the_same(tmp_path: Path):
    write_orgs(tmp_path, HEADER + "S1,a,school,1\r\n\r\nS2,b,school,2\r\nS3,c,school,3\r\n")
    taken = blocks(tmp_path, "orgs.csv", begin=lambda _: lambda _, text: text == "S2,b,school,2\r\n")
    assert numbered(*taken) == [(2, "a"), (5, "c")]


def test_with_words_only_records_that_have_one_are_looked_at(tmp_path: Path):
    write_orgs(tmp_path, HEADER + "S1,a,school,1\r\nS2,b,district,2\r\nS3,c,school,3\r\n")
    assert numbered(lines(tmp_path, "orgs.csv", ["district", "local"])) == [(3, "b")]


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_shares_are_disjoint_and_together_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int):
    monkeypatch.setattr("binding_service.roster.oneroster.BLOCK_LINES", 2)
    broken = ['"x\r\ny"' if n % 3 == 0 else "z" for n in range(20)]
    text = HEADER + "".join(f"S{n},{name},school,{n}\r\n" for n, name in enumerate(broken))
    whole = read_orgs(write_orgs(tmp_path, text))
    shares = [numbered(*blocks(tmp_path, "orgs.csv", part=part, parts=parts)) for part in range(parts)]
    assert len(whole) == 20
    assert sorted(line for share in shares for line in share) == whole


def test_a_quotation_mark_that_is_never_closed_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("binding_service.roster.oneroster.LONGEST_BLOCK_LINES", 3)
    text = HEADER + 'S1,a,school,1\r\nS2,"b,school,2\r\n' + "S3,c,school,3\r\n" * 10
    with pytest.raises(UnreadableRosterError, match=r"orgs.csv, line 3: the quotation marks are not those of CSV"):
        read_orgs(write_orgs(tmp_path, text))


def test_a_line_without_an_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("binding_service.roster.oneroster.LONGEST_LINE", 1000)
    with pytest.raises(UnreadableRosterError, match="a line between 2 and 3 is longer than 1000 characters"):
        read_orgs(write_orgs(tmp_path, HEADER + f"S1,{'a' * 1500},school,1"))


@pytest.mark.parametrize("encoding", ["utf-16", "big5"])
def test_another_encoding_is_told(tmp_path: Path, encoding: str):
    text = "sourcedId,name,type,identifier,學校\r\n"
    with pytest.raises(UnreadableRosterError, match=r"orgs\.csv is not UTF-8"):
        read_orgs(write_orgs(tmp_path, text, encoding))


def test_a_zip_that_holds_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = zip_orgs(tmp_path, HEADER + "S1,a,school,1\r\n" * 10_000)
    monkeypatch.setattr("binding_service.roster.oneroster.MOST_BYTES", 100_000)
    assert path.stat().st_size < 2000
    with pytest.raises(UnreadableRosterError, match="the zip file's content is larger than"):
        read_orgs(path)


def test_a_zip_that_lies_about_its_size_is_damaged(tmp_path: Path):
    path = zip_orgs(tmp_path, HEADER + "S1,a,school,1\r\n" * 1000)
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    # The uncompressed size stands 24 bytes into an entry of the central directory (APPNOTE.TXT, 4.3.12).
    data[directory + 24 : directory + 28] = struct.pack("<I", 50)
    path.write_bytes(data)
    with pytest.raises(UnreadableRosterError):
        read_orgs(path)


def test_a_damaged_zip_is_told(tmp_path: Path):
    path = zip_orgs(tmp_path, HEADER + "".join(f"S{n},{n * 7919},school,{n}\r\n" for n in range(1000)))
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)
    with pytest.raises(UnreadableRosterError):
        read_orgs(path)


def test_an_encrypted_zip_is_told(tmp_path: Path):
    path = zip_orgs(tmp_path)
    data = bytearray(path.read_bytes())
    # The flags stand 6 bytes into a file's header, 8 into its entry of the directory (APPNOTE.TXT, 4.3.7 and 4.3.12).
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableRosterError, match=r"orgs\.csv is encrypted"):
        read_orgs(path)


def test_a_zip_whose_files_lie_elsewhere_lacks_them(tmp_path: Path):
    path = tmp_path / "away.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../orgs.csv", HEADER)
    with pytest.raises(UnreadableRosterError, match=r"orgs\.csv is missing"):
        read_orgs(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["away.zip"]


def test_the_size_is_that_of_what_is_unpacked_and_nothing_where_there_is_nothing(tmp_path: Path):
    text = HEADER + "S1,a,school,1\r\n" * 1000
    assert size_of(write_orgs(tmp_path, text)) == size_of(zip_orgs(tmp_path, text)) == len(text)
    assert size_of(tmp_path / "nowhere") == 0


def test_a_manifest_that_says_nothing_of_a_file_means_a_whole_one(tmp_path: Path):
    text = "propertyName,value\noneroster.version,1.2.1\nfile.roles,delta\nfile.users, absent \n"
    (tmp_path / "manifest.csv").write_text(text)
    assert read_manifest(tmp_path) == {
        "orgs.csv": "bulk",
        "classes.csv": "bulk",
        "users.csv": "absent",
        "roles.csv": "delta",
        "enrollments.csv": "bulk",
    }
