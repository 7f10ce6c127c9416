"""The made-up roster that make up and the browser tests are run with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from binding_service import id_numbers
from binding_service.roster.importing import Roster, import_roster
from local_stack import sample_roster

if TYPE_CHECKING:
    from pathlib import Path


async def test_it_is_imported_whole(roster: Roster, tmp_path: Path):
    sample = sample_roster.make_roster()
    sample_roster.write(sample, tmp_path / "sample")

    report = await import_roster(roster, tmp_path / "sample")

    assert report.bad_lines == []
    assert {table: counts.new for table, counts in report.counts.items()} == {
        "schools": len(sample.schools),
        "classes": len(sample.homerooms),
        "teachers": len(sample.staff),
        "students": len(sample.students),
        "guardians": len(sample.guardians),
    }


def test_a_teacher_in_it_is_the_parent_of_a_child_of_the_own_class():
    sample = sample_roster.make_roster()
    teacher, guardian = sample.teacher_who_is_parent
    assert teacher.national_id == guardian.national_id
    assert [student.homeroom.teacher for student in guardian.students] == [teacher]


def test_the_id_numbers_in_it_are_valid_and_nobodys_twice_but_that_teachers():
    sample = sample_roster.make_roster()
    people = [*sample.staff, *sample.students, *sample.guardians]
    numbers = [person.national_id for person in people if person.national_id]
    assert [id_numbers.parse(number).text for number in numbers] == numbers
    assert len(numbers) == len(set(numbers)) + 1
