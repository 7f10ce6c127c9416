"""What a teacher is told of an application besides what the parent wrote: the roster, other families, teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from binding_service.app import make_app
from binding_service.applications.submissions import submitted as told_again
from shared.events import AccountOpened, BindingApproved, BindingSubmitted, RosterGuardian
from support.school import add_guardian, add_staff, submitted
from support.serving import eventually
from support.town import CHEN, LI, OTHER_PARENT_ID, PARENT_ID, SIGNATURE, WANG, make_parent_form, national_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from binding_service.context import Binding
    from support.town import Child, Town

CONTACT = "lin@example.org"
PHONE = "0912-345-678"


@pytest.fixture
async def binding(town: Town) -> AsyncIterator[Binding]:
    """The parts of a binding service that serves nobody, on the town's database."""
    binding: Binding = make_app(town.settings).state.binding
    await binding.database.open()
    yield binding
    await binding.database.close()


async def test_id_number_and_contacts_stand_whole_in_the_sealed_part_only(town: Town) -> None:
    await town.apply()
    ((event, part),) = await submitted(town)
    assert (part.national_id, part.email, part.phone) == (PARENT_ID, CONTACT, "+886912345678")
    assert (part.guardians, event.data.parent_teacher_ids) == ([], [])
    assert (event.data.is_known_guardian, event.data.is_contact_shared, event.data.on_paper) == (False, False, False)
    assert event.data.document_hash == await town.value("SELECT signed_hash FROM binding.applications")
    for secret in (PARENT_ID, CONTACT, "912345678"):
        assert secret not in event.model_dump_json()


# --- the school's record ---


async def test_a_guardian_of_the_roster_is_compared_part_by_part(town: Town) -> None:
    await add_guardian(town, "G-1", "林　淑 芬", LI, number=PARENT_ID, email="LIN@example.org", phone="02 2345 6789")
    await add_guardian(town, "G-2", "李大同", LI)
    await town.apply()
    ((event, part),) = await submitted(town)
    assert part.guardians == [
        RosterGuardian(
            name="林　淑 芬",
            role="parent",
            email_masked="li***@example.org",
            phone_masked="02*****789",
            same_name=True,
            same_national_id=True,
            same_email=True,
            same_phone=False,
        ),
        RosterGuardian(name="李大同", role="parent", same_name=False),
    ]
    assert event.data.is_known_guardian


async def test_each_child_has_its_own_guardians(town: Town) -> None:
    await add_guardian(town, "G-1", "林淑芬", LI, number=PARENT_ID)
    await add_guardian(town, "G-2", "王大明", WANG, number=OTHER_PARENT_ID)
    await town.apply(children=[LI, WANG, CHEN])
    told = await submitted(town)
    assert [[guardian.name for guardian in part.guardians] for _, part in told] == [["林淑芬"], ["王大明"], []]
    assert [event.data.is_known_guardian for event, _ in told] == [True, False, False]


@pytest.mark.parametrize(
    ("guardian", "known"),
    [
        ({"number": PARENT_ID}, True),
        ({"number": OTHER_PARENT_ID, "email": CONTACT, "phone": PHONE}, False),
        ({"email": CONTACT}, True),
        ({"phone": PHONE}, True),
        ({"email": "other@example.org", "phone": PHONE}, True),
        ({"email": "other@example.org"}, False),
        ({}, False),
    ],
)
async def test_the_same_id_number_or_without_one_name_and_contact_make_a_guardian_known(
    town: Town, guardian: dict[str, str], *, known: bool
) -> None:
    await add_guardian(town, "G-1", "林淑芬", LI, **guardian)
    await town.apply()
    ((event, _),) = await submitted(town)
    assert event.data.is_known_guardian is known


async def test_a_guardian_with_another_name_is_known_by_the_id_number_alone(town: Town) -> None:
    await add_guardian(town, "G-1", "李太太", LI, number=PARENT_ID)
    await add_guardian(town, "G-2", "李大同", LI, email=CONTACT)
    await town.apply()
    ((event, part),) = await submitted(town)
    assert event.data.is_known_guardian
    assert [guardian.same_name for guardian in part.guardians] == [False, False]


async def test_a_guardian_who_left_the_roster_is_not_told(town: Town) -> None:
    await add_guardian(town, "G-1", "林淑芬", LI, number=PARENT_ID)
    await town.db.execute("UPDATE binding.guardians SET active = false")
    await town.apply()
    ((event, part),) = await submitted(town)
    assert (part.guardians, event.data.is_known_guardian) == ([], False)


# --- teachers ---


async def test_the_staff_who_are_the_parent_are_named(town: Town) -> None:
    await add_staff(town, "T-1", PARENT_ID)
    await add_staff(town, "A-9", PARENT_ID, role="administrator", school="S-2")
    await add_staff(town, "T-2", OTHER_PARENT_ID)
    await add_staff(town, "T-3")
    await add_staff(town, "T-4", PARENT_ID, active=False)
    await town.apply()
    ((event, _),) = await submitted(town)
    assert event.data.parent_teacher_ids == ["A-9", "T-1"]


async def told(town: Town, count: int) -> list[BindingSubmitted]:
    """The bindings that were told to wait, once there are so many."""

    async def so_many() -> bool:
        return len(await town.events(BindingSubmitted)) >= count

    await eventually(so_many)
    return await town.events(BindingSubmitted)


@pytest.mark.parametrize("outcome", ["approve", "refuse"])
async def test_the_decision_of_a_teacher_who_is_the_parent_is_not_applied(town: Town, outcome: str) -> None:
    token = await town.apply()
    binding_id = (await town.bindings(token))[0]["id"]
    await add_staff(town, "T-1", PARENT_ID)
    await town.decide(binding_id, outcome, "x")
    first, again = await told(town, 2)
    assert await town.state_of(binding_id) == "pending"
    assert (again.subject, again.data.version) == (binding_id, 2)
    assert (first.data.parent_teacher_ids, again.data.parent_teacher_ids) == ([], ["T-1"])
    assert await town.value("SELECT version FROM binding.bindings") == 2
    assert await town.events(AccountOpened) == []


async def test_somebody_else_decides_after_it_and_is_heard(town: Town) -> None:
    token = await town.apply()
    binding_id = (await town.bindings(token))[0]["id"]
    await add_staff(town, "T-1", PARENT_ID)
    await add_staff(town, "A-1", role="administrator")
    await town.decide(binding_id)
    await told(town, 2)
    other = town.decision(binding_id)
    other = other.model_copy(update={"data": other.data.model_copy(update={"decided_by": "A-1"})})
    await town.publish(other.model_dump_json().encode(), other.TYPE)

    async def approved() -> bool:
        return await town.state_of(binding_id) == "approved"

    await eventually(approved)
    assert [event.data.version for event in await town.events(BindingApproved)] == [3]


async def test_the_decision_of_a_parent_on_what_no_longer_waits_tells_what_stands(town: Town) -> None:
    token = await town.apply()
    binding_id = (await town.bindings(token))[0]["id"]
    await town.decided(binding_id)
    await add_staff(town, "T-1", PARENT_ID)
    await town.decide(binding_id, "refuse", "x")

    async def told_twice() -> bool:
        return len(await town.events(BindingApproved)) == 2

    await eventually(told_twice)
    assert {event.data.version for event in await town.events(BindingApproved)} == {2}
    assert len(await town.events(BindingSubmitted)) == 1


# --- other families ---


async def second(town: Town, *children: Child, **parent: str) -> bool:
    """Another person applies; whether a contact is told to be another family's too."""
    await town.apply("other@example.org", children, OTHER_PARENT_ID, **({"name": "王大明"} | parent))
    return (await submitted(town))[-1][0].data.is_contact_shared


async def test_a_phone_of_another_family_is_told(town: Town) -> None:
    await town.apply(children=[LI])
    assert await second(town, WANG)


async def test_a_phone_of_ones_own_is_not_another_familys(town: Town) -> None:
    await town.apply(children=[LI])
    assert not await second(town, WANG, phone="0987654321")


async def test_two_parents_of_one_child_are_one_family(town: Town) -> None:
    await town.apply(children=[LI])
    assert not await second(town, LI)
    assert not [event for event, _ in await submitted(town) if event.data.is_contact_shared]


async def test_two_parents_stay_one_family_for_their_next_child(town: Town) -> None:
    await town.apply(children=[LI, WANG])
    await second(town, LI, phone="0987654321")
    token = await town.sign_in("other@example.org")
    await town.fill(token, [CHEN], OTHER_PARENT_ID, make_parent_form(name="王大明", email="other@example.org"))
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    assert not (await submitted(town))[-1][0].data.is_contact_shared


@pytest.mark.parametrize(("state", "shared"), [("withdrawn", False), ("refused", True), ("approved", True)])
async def test_of_another_family_everything_counts_but_what_was_withdrawn(
    town: Town, state: str, *, shared: bool
) -> None:
    token = await town.apply(children=[LI])
    binding_id = (await town.bindings(token))[0]["id"]
    if state == "withdrawn":
        await town.do("DELETE", f"/bindings/{binding_id}", token)
    else:
        await town.decided(binding_id, "approve" if state == "approved" else "refuse", "x")
    assert await second(town, WANG) is shared


# --- told again ---


async def test_a_binding_is_told_again_from_the_database_with_what_holds_now(town: Town, binding: Binding) -> None:
    await town.apply(children=[LI, WANG])
    first = await submitted(town)
    await town.db.execute("UPDATE binding.students SET class_id = 'C-2', school_id = 'S-2' WHERE id = $1", LI.id)
    await add_guardian(town, "G-1", "林淑芬", LI, number=PARENT_ID)
    async with binding.database.connection() as connection:
        ids = await connection.fetch("SELECT id FROM bindings ORDER BY student_id DESC")
        wang, li = await told_again(binding.keys, connection, [row["id"] for row in ids])
    assert wang.data.model_dump(exclude={"for_review"}) == first[1][0].data.model_dump(exclude={"for_review"})
    # A new place comes with a new version (applications.moves): the same one never says two things of where a child is.
    assert (li.data.school_id, li.data.class_id, li.data.is_known_guardian) == ("S-1", "C-1", True)
    assert wang.id != first[1][0].id


async def test_bindings_of_several_people_are_told_together_each_with_its_own_facts(
    town: Town, binding: Binding
) -> None:
    await add_staff(town, "T-1", PARENT_ID)
    await add_guardian(town, "G-2", "王大明", WANG, number=OTHER_PARENT_ID)
    await town.apply(children=[LI])
    await second(town, WANG)
    await town.apply("third@example.org", [CHEN], national_id(504), name="陳一", phone="0987654321")
    async with binding.database.connection() as connection:
        ids = await connection.fetch("SELECT id FROM bindings ORDER BY student_id")
        events = await told_again(binding.keys, connection, [row["id"] for row in ids])
    facts = [event.data for event in events]
    assert [each.student_id for each in facts] == [LI.id, WANG.id, CHEN.id]
    assert [each.parent_teacher_ids for each in facts] == [["T-1"], [], []]
    assert [each.is_known_guardian for each in facts] == [False, True, False]
    assert [each.is_contact_shared for each in facts] == [True, True, False]
