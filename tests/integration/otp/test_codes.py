from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from otp_service.use_cases import end_code, redeem_code
from shared.events import CodeDisowned
from shared.sealing import UnsealError

from .conftest import Parent, make_redeem_code, wrong

if TYPE_CHECKING:
    from otp_service.use_cases import Otp
    from support.databases import Clock


async def test_a_code_that_was_sent_is_redeemed_once(parent: Parent) -> None:
    answer = await parent.ask()
    code = await parent.sent()
    assert (answer.outcome, answer.tries_left, len(code), code.isdigit()) == ("issued", 5, 6, True)
    assert (await parent.type(code)).redeemed
    assert not (await parent.type(code)).redeemed


async def test_five_wrong_tries_kill_the_code(parent: Parent) -> None:
    await parent.ask()
    code = await parent.sent()
    assert [(await parent.type(wrong(code))).tries_left for _ in range(5)] == [4, 3, 2, 1, 0]
    sixth = await parent.type(code)
    assert (sixth.redeemed, sixth.tries_left) == (False, 0)


async def test_the_fifth_try_may_still_be_right(parent: Parent) -> None:
    await parent.ask()
    code = await parent.sent()
    for _ in range(4):
        await parent.type(wrong(code))
    assert (await parent.type(code)).redeemed


async def test_a_code_lives_an_hour(parent: Parent, clock: Clock) -> None:
    await parent.ask()
    code = await parent.sent()
    await clock.shift(timedelta(minutes=60, seconds=1))
    assert not (await parent.type(code)).redeemed


async def test_it_is_redeemed_in_the_last_minute(parent: Parent, clock: Clock) -> None:
    await parent.ask()
    await clock.shift(timedelta(minutes=59))
    assert (await parent.type(await parent.sent())).redeemed


async def test_a_new_code_kills_the_old_one_and_brings_five_tries(parent: Parent, clock: Clock) -> None:
    await parent.ask()
    first = await parent.sent()
    await parent.type(wrong(first))
    await clock.shift(timedelta(seconds=61))
    assert (await parent.ask()).tries_left == 5
    second = await parent.sent()
    if first != second:
        assert not (await parent.type(first)).redeemed
    assert (await parent.type(wrong(second))).tries_left == 4 - (first != second)
    assert (await parent.type(second)).redeemed


async def test_a_code_works_only_in_the_attempt_that_asked_for_it(otp: Otp, parent: Parent) -> None:
    await parent.ask()
    stranger = Parent(otp, uuid4())
    code = await parent.sent()
    assert not (await stranger.type(code)).redeemed
    await stranger.ask()
    for _ in range(5):
        await stranger.type(wrong(await stranger.sent()))
    assert (await parent.type(code)).redeemed


async def test_a_code_proves_only_the_contact_that_it_was_sent_to(parent: Parent) -> None:
    await parent.ask("mine@example.org")
    code = await parent.sent()
    parent.contact = "somebody-else@example.org"
    assert not (await parent.type(code)).redeemed
    parent.contact = "mine@example.org"
    assert (await parent.type(code)).redeemed


async def test_an_attempt_without_a_code_redeems_nothing(parent: Parent) -> None:
    answer = await parent.type("123456")
    assert (answer.redeemed, answer.tries_left) == (False, 0)


async def test_another_code_may_be_asked_for_after_a_minute(parent: Parent, clock: Clock) -> None:
    await parent.ask()
    early = await parent.ask()
    assert (early.outcome, 55 < early.retry_after <= 60) == ("too_soon", True)
    await clock.shift(timedelta(seconds=61))
    assert (await parent.ask()).outcome == "issued"


async def test_a_contact_gets_five_codes_an_hour(otp: Otp, clock: Clock) -> None:
    for number in range(5):
        assert (await Parent(otp, uuid4()).ask(client_address=f"192.0.2.{number}")).outcome == "issued"
    sixth = await Parent(otp, uuid4()).ask(client_address="192.0.2.9")
    assert (sixth.outcome, 3500 < sixth.retry_after <= 3600) == ("limited", True)
    assert (await Parent(otp, uuid4()).ask("PARENT@example.org ")).outcome == "limited"
    assert (await Parent(otp, uuid4()).ask("another@example.org")).outcome == "issued"
    await clock.shift(timedelta(minutes=61))
    assert (await Parent(otp, uuid4()).ask()).outcome == "issued"


async def test_a_contact_gets_ten_codes_a_day(otp: Otp, clock: Clock) -> None:
    for hour in range(2):
        await clock.shift(timedelta(hours=2 * hour))
        for _ in range(5):
            assert (await Parent(otp, uuid4()).ask()).outcome == "issued"
    await clock.shift(timedelta(hours=4))
    eleventh = await Parent(otp, uuid4()).ask()
    assert (eleventh.outcome, eleventh.retry_after > 19 * 3600) == ("limited", True)
    await clock.shift(timedelta(hours=25))
    assert (await Parent(otp, uuid4()).ask()).outcome == "issued"


async def test_a_client_address_gets_thirty_codes_an_hour(otp: Otp) -> None:
    for number in range(30):
        assert (await Parent(otp, uuid4()).ask(f"parent{number}@example.org")).outcome == "issued"
    assert (await Parent(otp, uuid4()).ask("one-more@example.org")).outcome == "limited"
    assert (await Parent(otp, uuid4()).ask("elsewhere@example.org", client_address="192.0.2.2")).outcome == "issued"


async def test_what_strangers_use_up_leaves_those_who_are_acquainted_their_own(otp: Otp) -> None:
    for number in range(30):
        await Parent(otp, uuid4()).ask(f"parent{number}@example.org")
    for number in range(10):
        await Parent(otp, uuid4()).ask(client_address=f"192.0.2.{100 + number}")
    assert (await Parent(otp, uuid4()).ask(client_address="198.51.100.1")).outcome == "limited"
    # At the strangers' own address, too: they may sit behind the same one.
    for _ in range(5):
        owner = Parent(otp, uuid4())
        assert (await owner.ask(acquainted=True)).outcome == "issued"
        assert (await owner.type(await owner.sent())).redeemed
    sixth = await Parent(otp, uuid4()).ask(acquainted=True)
    assert (sixth.outcome, 3500 < sixth.retry_after <= 3600) == ("limited", True)


async def test_those_who_are_acquainted_use_up_nothing_of_the_others(otp: Otp) -> None:
    for _ in range(6):
        await Parent(otp, uuid4()).ask(acquainted=True)
    for _ in range(5):
        assert (await Parent(otp, uuid4()).ask()).outcome == "issued"


@pytest.mark.parametrize(
    ("channel", "contact"),
    [("email", "no address"), ("sms", "02-2720-8889"), ("sms", "+1 202 555 0143"), ("sms", "parent@example.org")],
)
async def test_a_contact_that_gets_no_codes_is_refused(parent: Parent, channel: str, contact: str) -> None:
    assert (await parent.ask(contact, channel=channel)).outcome == "refused"
    assert await parent.sent() == ""


async def test_of_fifty_redemptions_at_once_exactly_one_wins(parent: Parent) -> None:
    await parent.ask()
    code = await parent.sent()
    answers = await asyncio.gather(*(parent.type(code) for _ in range(50)))
    assert sum(answer.redeemed for answer in answers) == 1


async def test_a_redemption_whose_answer_was_lost_is_answered_alike_and_not_counted(parent: Parent) -> None:
    await parent.ask()
    code, lost = await parent.sent(), uuid4()
    first = await parent.type(wrong(code), lost)
    assert await parent.type(wrong(code), lost) == first
    right = uuid4()
    assert [(await parent.type(code, right)).redeemed for _ in range(3)] == [True] * 3
    assert not (await parent.type(code)).redeemed


async def test_asked_ten_times_at_once_a_lost_answer_is_still_one_try(parent: Parent) -> None:
    await parent.ask()
    code, lost = await parent.sent(), uuid4()
    answers = await asyncio.gather(*(parent.type(wrong(code), lost) for _ in range(10)))
    assert {answer.tries_left for answer in answers} == {4}


async def test_an_id_that_comes_with_another_code_is_another_try(parent: Parent) -> None:
    await parent.ask()
    code, request_id = await parent.sent(), uuid4()
    assert (await parent.type(wrong(code), request_id)).tries_left == 4
    assert (await parent.type(wrong(wrong(code)), request_id)).tries_left == 3


async def test_a_request_for_a_code_that_is_repeated_issues_no_second_one(parent: Parent, otp: Otp) -> None:
    request_id = uuid4()
    first = await parent.ask(request_id=request_id)
    assert await parent.ask(request_id=request_id) == first
    async with otp.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 1


async def test_a_contact_that_is_to_get_no_code_is_answered_and_counted_alike(otp: Otp, parent: Parent) -> None:
    decoy = Parent(otp, uuid4())
    told = [
        await who.ask(contact, deliver=deliver)
        for who, contact, deliver in [(parent, "known@example.org", True), (decoy, "unknown@example.org", False)]
    ]
    assert [(a.outcome, a.tries_left, a.retry_after, a.expires_at is None) for a in told] == [
        ("issued", 5, 0, False)
    ] * 2
    assert await decoy.sent() == ""
    code = await parent.sent()
    assert [(await decoy.type("000000")).tries_left for _ in range(6)] == [4, 3, 2, 1, 0, 0]
    assert [(await parent.type(wrong(code))).tries_left for _ in range(6)] == [4, 3, 2, 1, 0, 0]


async def test_no_table_and_no_event_holds_a_code_or_a_contact_in_the_clear(otp: Otp, parent: Parent) -> None:
    await parent.ask("some.parent@example.org", client_address="198.51.100.77")
    code = await parent.sent()
    await parent.type(wrong(code))
    async with otp.database.connection() as connection:
        tables = await connection.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'otp'")
        rows = [
            text
            for table in tables
            for (text,) in await connection.fetch(f'SELECT row_to_json(t)::text FROM "{table["table_name"]}" t')  # noqa: S608 - names from the catalogue
        ]
    assert any("code_hash" in text for text in rows)
    secrets = (f'"{code}"', f'\\"{code}\\"', f'"{wrong(code)}"', "some.parent", "198.51.100.77")
    assert [secret for secret in secrets for text in rows if secret in text] == []


async def test_a_request_that_was_moved_to_another_id_does_not_open(parent: Parent) -> None:
    await parent.ask()
    request = make_redeem_code(parent.attempt_id, await parent.sent())
    with pytest.raises(UnsealError):
        await redeem_code(parent.otp, request.model_copy(update={"request_id": uuid4()}))


async def test_who_mistyped_the_contact_need_not_wait_to_correct_it(parent: Parent) -> None:
    assert (await parent.ask("paernt@example.org")).outcome == "issued"
    assert (await parent.ask("paernt@example.org")).outcome == "too_soon"
    assert (await parent.ask("parent@example.org")).outcome == "issued"


async def test_a_lost_answer_can_be_asked_for_for_ten_minutes_only(parent: Parent, clock: Clock) -> None:
    await parent.ask()
    code, request_id = await parent.sent(), uuid4()
    assert (await parent.type(code, request_id)).redeemed
    await clock.shift(timedelta(minutes=9))
    assert (await parent.type(code, request_id)).redeemed
    await clock.shift(timedelta(minutes=11))
    assert not (await parent.type(code, request_id)).redeemed


async def test_a_code_that_its_reader_has_not_asked_for_is_dead_and_another_one_lives(
    otp: Otp, parent: Parent, clock: Clock
) -> None:
    first = await parent.ask()
    code = await parent.sent()
    disowned = CodeDisowned.of("binding", parent.attempt_id, expires_at=first.expires_at)
    stranger = Parent(otp, uuid4())
    await stranger.ask()
    for _ in range(2):
        async with otp.database.transaction() as connection:
            await end_code(otp, connection, disowned)
    answer = await parent.type(code)
    assert (answer.redeemed, answer.tries_left) == (False, 0)
    await clock.shift(timedelta(seconds=61))
    await parent.ask()
    async with otp.database.transaction() as connection:
        await end_code(otp, connection, disowned)
    assert (await parent.type(await parent.sent())).redeemed
    assert (await stranger.type(await stranger.sent())).redeemed


async def test_a_redemption_of_a_code_that_was_disowned_since_is_not_granted_again(parent: Parent) -> None:
    issued, request_id = await parent.ask(), uuid4()
    code = await parent.sent()
    redeemed = await parent.type(code, request_id)
    assert (redeemed.redeemed, redeemed.expires_at) == (True, issued.expires_at)
    disowned = CodeDisowned.of("binding", parent.attempt_id, expires_at=issued.expires_at)
    for _ in range(2):
        async with parent.otp.database.transaction() as connection:
            await end_code(parent.otp, connection, disowned)
        again = await parent.type(code, request_id)
        assert (again.redeemed, again.tries_left) == (False, 0)


async def test_a_redemption_is_not_granted_again_after_a_newer_code_so_that_none_outlives_its_disowning(
    parent: Parent, clock: Clock
) -> None:
    issued, request_id = await parent.ask(), uuid4()
    code = await parent.sent()
    assert (await parent.type(code, request_id)).redeemed
    await clock.shift(timedelta(seconds=61))
    await parent.ask()
    newer = await parent.sent()
    disowned = CodeDisowned.of("binding", parent.attempt_id, expires_at=issued.expires_at)
    async with parent.otp.database.transaction() as connection:
        await end_code(parent.otp, connection, disowned)
    if newer != code:
        again = await parent.type(code, request_id)
        assert (again.redeemed, again.tries_left) == (False, 5)
    assert (await parent.type(newer)).redeemed
