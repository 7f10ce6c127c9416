from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from otp_service.app import make_app as make_otp
from shared.events import CodeIssued
from support.serving import eventually, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.databases import Clock
    from support.town import Town

CONTACT = "lin@example.org"


def other_than(code: str, by: int = 1) -> str:
    """A code that is not this one."""
    return f"{(int(code) + by) % 1_000_000:06}"


async def redeem(town: Town, attempt: str, code: str, key: str | None = None):
    return await town.call("POST", "/sessions", key=key, attempt=attempt, code=code)


async def test_the_right_code_opens_a_session_and_a_new_contact_lands_on_the_students(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    answer = await redeem(town, attempt, await town.code_for(CONTACT))
    assert (answer.status_code, answer.json()["next"]) == (201, "students")
    assert (await town.call("GET", "/draft", answer.json()["token"])).status_code == 200


async def test_a_contact_with_an_application_lands_on_its_progress(town: Town) -> None:
    await town.apply(CONTACT)
    attempt = await town.ask_code(CONTACT)
    assert (await redeem(town, attempt, await town.code_for(CONTACT))).json()["next"] == "progress"


async def test_wrong_used_and_expired_codes_get_the_same_answer(town: Town, clock: Clock) -> None:
    wrong, used, expired = [await town.ask_code(f"{name}@example.org") for name in ("wrong", "used", "expired")]
    right = await town.code_for("used@example.org")
    assert (await redeem(town, used, right)).status_code == 201
    for attempt, name in ((wrong, "wrong"), (expired, "expired")):
        await redeem(town, attempt, other_than(await town.code_for(f"{name}@example.org")))
    answers = [
        await redeem(town, wrong, other_than(await town.code_for("wrong@example.org"))),
        await redeem(town, used, right),
    ]
    await clock.shift(timedelta(minutes=61))
    answers.append(await redeem(town, expired, await town.code_for("expired@example.org")))
    assert {(answer.status_code, answer.content) for answer in answers} == {(422, answers[0].content)}
    assert answers[0].json()["code"] == "code_rejected"


async def test_a_code_works_until_its_hour_is_over(town: Town, clock: Clock) -> None:
    attempt = await town.ask_code(CONTACT)
    await clock.shift(timedelta(minutes=59))
    assert (await redeem(town, attempt, await town.code_for(CONTACT))).status_code == 201


async def test_an_unknown_attempt_has_no_code_to_try(town: Town) -> None:
    await town.ask_code(CONTACT)
    answer = await redeem(town, "no such attempt", await town.code_for(CONTACT))
    assert (answer.status_code, answer.json()["code"]) == (409, "no_attempt")


async def test_after_five_wrong_tries_the_right_code_is_dead(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    code = await town.code_for(CONTACT)
    for tries in range(1, 6):
        answer = await redeem(town, attempt, other_than(code, tries))
        told = f"還可以再試 {5 - tries} 次" if tries < 5 else "請重新取得驗證碼"
        assert told in answer.json()["detail"]
    sixth = await redeem(town, attempt, code)
    assert (sixth.status_code, sixth.json()["code"]) == (422, "code_dead")


async def test_a_new_code_kills_the_former_one_of_its_attempt(town: Town, clock: Clock) -> None:
    attempt = await town.ask_code(CONTACT)
    former = await town.code_for(CONTACT)
    await clock.shift(timedelta(seconds=61))
    await town.ask_code(CONTACT, attempt)
    assert (await redeem(town, attempt, former)).status_code == 422
    assert (await redeem(town, attempt, await town.code_for(CONTACT))).status_code == 201


async def test_another_code_may_be_asked_for_after_a_minute_only(town: Town, clock: Clock) -> None:
    attempt = await town.ask_code(CONTACT)
    answer = await town.call("POST", "/codes", channel="email", contact=CONTACT, attempt=attempt)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_soon")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    await clock.shift(timedelta(seconds=61))
    assert await town.ask_code(CONTACT, attempt) == attempt


async def test_codes_for_one_contact_are_limited_whoever_asks(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(otp={"contact_per_hour": 2})
    await town.ask_code(CONTACT)
    await town.ask_code("LIN@example.org ")
    answer = await town.call("POST", "/codes", channel="email", contact=CONTACT)
    assert (answer.status_code, answer.json()["code"]) == (429, "limited")
    assert 3500 < int(answer.headers["retry-after"]) <= 3601


async def test_the_answer_to_a_request_for_a_code_does_not_show_whether_the_contact_is_known(town: Town) -> None:
    await town.apply("known@example.org")
    known = await town.do("POST", "/codes", channel="email", contact="known@example.org")
    unknown = await town.do("POST", "/codes", channel="email", contact="unkno@example.org")
    for state in (known, unknown):
        assert (state["tries_left"], state["resend_in"]) == (5, 60)
    assert known.keys() == unknown.keys()


async def test_fifty_redemptions_at_once_open_one_session(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    code = await town.code_for(CONTACT)
    answers = await asyncio.gather(*(redeem(town, attempt, code) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 49
    assert await town.value("SELECT count(*) FROM binding.sessions") == 1


async def test_a_redemption_asked_again_under_its_key_is_granted_again_and_not_counted(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    code, key = await town.code_for(CONTACT), str(uuid4())
    tokens = [(await redeem(town, attempt, code, key)).json()["token"] for _ in range(7)]
    for token in tokens:
        assert (await town.call("GET", "/draft", token)).status_code == 200
    assert (await redeem(town, attempt, code)).json()["detail"].count("還可以再試 3 次") == 1


async def test_a_wrong_try_asked_again_under_its_key_is_counted_once(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    wrong, key = other_than(await town.code_for(CONTACT)), str(uuid4())
    answers = {(await redeem(town, attempt, wrong, key)).text for _ in range(7)}
    assert len(answers) == 1
    assert "還可以再試 4 次" in answers.pop()


async def test_a_key_that_won_does_not_let_another_code_in(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    code, key = await town.code_for(CONTACT), str(uuid4())
    assert (await redeem(town, attempt, code, key)).status_code == 201
    assert (await redeem(town, attempt, other_than(code), key)).status_code == 422


async def test_a_stranger_in_another_attempt_can_neither_redeem_nor_burn_the_code(town: Town) -> None:
    parents = await town.ask_code(CONTACT)
    code = await town.code_for(CONTACT)
    strangers = await town.ask_code(CONTACT)
    for _ in range(6):
        assert (await redeem(town, strangers, code)).status_code == 422
    assert (await redeem(town, parents, code)).status_code == 201


async def test_the_code_of_one_contact_never_logs_in_as_another_of_the_same_attempt(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(otp={"resend_seconds": 0})
    attempt = await town.ask_code("mine@example.org")
    mine = await town.code_for("mine@example.org")
    await town.ask_code("victim@example.org", attempt)
    assert (await redeem(town, attempt, mine)).status_code == 422
    answer = await redeem(town, attempt, await town.code_for("victim@example.org"))
    assert await contact_of(town, answer.json()["token"]) == "victim@example.org"


async def contact_of(town: Town, token: str) -> str:
    """Whose session this is: what it proves of an e-mail without asking for another code."""
    await town.do("PUT", "/draft/parent/id", token, national_id="F223456786")
    for contact in ("mine@example.org", "victim@example.org"):
        state = await town.do("PUT", "/draft/parent", token, name="林淑芬", email=contact, phone="0912345678")
        if state["parent"]["email_proven"]:
            return contact
    return ""


async def test_without_otp_a_code_is_refused_in_time_and_works_when_otp_is_back(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(with_otp=False, binding={"request_seconds": 0.3})
    began = time.monotonic()
    answer = await town.call("POST", "/codes", channel="email", contact=CONTACT)
    assert time.monotonic() - began < 2
    assert (answer.status_code, answer.json()["code"]) == (503, "service_away")
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    async with serving(make_otp(town.otp_settings)):

        async def granted() -> bool:
            return (await town.call("POST", "/codes", channel="email", contact=CONTACT)).status_code == 201

        await eventually(granted)
        assert await town.sign_in("other@example.org")


async def test_a_session_ends_with_sign_out_and_its_code_is_worth_nothing_then(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    code, key = await town.code_for(CONTACT), str(uuid4())
    token = (await redeem(town, attempt, code, key)).json()["token"]
    await town.do("DELETE", "/sessions/current", token)
    assert (await town.call("GET", "/draft", token)).json()["code"] == "not_signed_in"
    assert (await redeem(town, attempt, code)).json()["code"] == "no_attempt"
    # The key gets its first answer again, with a token that is worth nothing; from elsewhere it gets none.
    assert (await redeem(town, attempt, code, key)).json()["token"] == token
    elsewhere = await town.sign_in("other@example.org")
    again = await town.call("POST", "/sessions", elsewhere, key=key, attempt=attempt, code=code)
    assert again.json()["code"] == "no_attempt"


async def test_a_session_ends_after_its_hours(town: Town, clock: Clock) -> None:
    token = await town.sign_in(CONTACT)
    await clock.shift(timedelta(hours=town.settings.session_hours, minutes=1))
    assert (await town.call("GET", "/draft", token)).status_code == 401


async def test_a_contact_that_cannot_get_a_code_is_refused_at_its_field(town: Town) -> None:
    refused = {
        ("email", ""): ("email", "required"),
        ("email", "lin@"): ("email", "bad_email"),
        ("email", "林@例子"): ("email", "bad_email"),
        ("sms", " "): ("phone", "required"),
        ("sms", "0223456789"): ("phone", "bad_mobile"),
        ("sms", "12"): ("phone", "bad_mobile"),
        ("sms", "+15417543010"): ("phone", "contact_refused"),
    }
    for (channel, contact), expected in refused.items():
        answer = await town.call("POST", "/codes", channel=channel, contact=contact)
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["field"], error["code"]) == (422, *expected), contact


async def test_what_is_no_code_is_refused_at_its_field_and_not_counted(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    for typed in ("12345", "1234567", "abcdef", "", "١٢٣٤٥٦"):
        assert (await redeem(town, attempt, typed)).json()["errors"][0]["code"] == "bad_code"
    answer = await redeem(town, attempt, other_than(await town.code_for(CONTACT)))
    assert "還可以再試 4 次" in answer.json()["detail"]


async def test_one_mobile_number_is_one_contact_however_it_is_written(town: Town) -> None:
    for number in ("0912-345-678", "+886 912 345 678", "０９１２３４５６７８"):
        await town.ask_code(number)
    assert len(await town.events(CodeIssued)) == 3
    assert await town.value("SELECT count(DISTINCT subject) FROM otp.rate_limits WHERE rule = 'contact-hour'") == 1
    assert await town.code_for("+886912345678")
