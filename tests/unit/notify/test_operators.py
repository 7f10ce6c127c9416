"""What operators look for, how providers are, and that there are words for everything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import pytest

from notify_service.__main__ import main
from notify_service.domain import Kind
from notify_service.errors import DeliveryError
from notify_service.operators import tokens, words
from notify_service.operators.domain import CHOICES, PROVIDERS, Place, Wanted, health
from notify_service.operators.use_cases import Tally, lives, tallies
from notify_service.settings import NEEDED
from shared import named_tokens
from shared.events import Channel
from shared.settings import SettingsError

PLACE = Place(datetime(2026, 11, 26, 17, 0, 0, 123456, tzinfo=UTC), UUID(int=7))


def test_what_is_looked_for_survives_its_address():
    wanted = Wanted("failed", "approved", "email", "smtp2", "all")
    assert Wanted.parse(wanted.as_values()) == wanted
    assert Wanted.parse({}) == Wanted(period="week")
    assert Place.parse(str(PLACE)) == PLACE


@pytest.mark.parametrize("name", CHOICES)
def test_what_there_is_not_is_refused_rather_than_passed_over(name: str):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part of it says so
        Wanted.parse({name: "anything' OR true --"})


@pytest.mark.parametrize(
    "text", ["", "x", "2026-11-26T17:00:00+00:00", f"2026-11-26T17:00:00_{PLACE.id}", "_", f"x_{PLACE.id}"]
)
def test_a_place_that_is_none_is_refused(text: str):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part of it says so
        Place.parse(text)


@pytest.mark.parametrize(
    ("latest", "wanted"),
    [
        ([], "unused"),
        (["accepted", "technical", "technical"], "works"),
        (["permanent", "technical", "technical"], "works"),
        (["technical"], "shaky"),
        (["declined", "declined", "permanent"], "works"),
        (["declined", "declined", "declined"], "shaky"),
        (["unknown", "technical", "accepted"], "shaky"),
        (["unknown", "technical", "technical"], "failing"),
    ],
)
def test_a_provider_fails_when_its_last_three_tries_did(latest: list[str], wanted: str):
    assert health(latest) == wanted


def test_there_are_words_for_everything():
    assert words.KINDS.keys() == set(Kind)
    assert words.CHANNELS.keys() == set(get_args(Channel))
    assert words.STATES.keys() == set(CHOICES["state"])
    assert words.PERIODS.keys() == set(CHOICES["period"])
    assert words.OF_FAULTS.keys() == {fault.kind for fault in DeliveryError.__subclasses__()} | {"limit"}
    assert set(PROVIDERS) == {*NEEDED, "mailbox"}


@pytest.mark.parametrize(
    ("fault", "reason", "meaning"),
    [
        ("permanent", "SMTPRecipientRefused 550", "信箱不存在或拒收。"),
        ("permanent", "HTTP 550", words.OF_FAULTS["permanent"][0]),
        ("technical", "Mitake s", words.NO_CREDIT),
        ("technical", "ConnectionRefusedError", words.OF_FAULTS["technical"][0]),
        ("limit", "CountryNotAllowed", words.OF_REASONS["CountryNotAllowed"][0]),
        ("", "", ""),
    ],
)
def test_a_reason_is_said_in_words(fault: str, reason: str, meaning: str):
    assert words.explained("failed", fault, reason)[0] == meaning


def test_a_sent_message_has_no_reason_and_a_dropped_one_came_too_late():
    assert words.explained("sent", "", "") == ("", "")
    assert words.explained("dropped", "", "") == words.EXPIRED


def test_a_code_has_no_second_life():
    assert {kind for kind, _ in lives()} == set(Kind) - {Kind.CODE}


def test_counts_are_put_together_by_a_column_most_first():
    counted = [
        {"channel": "sms", "kind": "code", "state": "waiting", "day": 1, "hour": 0},
        {"channel": "sms", "kind": "code", "state": "sent", "day": 5, "hour": 2},
        {"channel": "email", "kind": "code", "state": "sent", "day": 7, "hour": 3},
        {"channel": "email", "kind": "digest", "state": "failed", "day": 9, "hour": 9},
    ]
    by_kind = tallies(counted, "kind")
    assert list(by_kind.items()) == [("code", Tally(waiting=1, sent=12, sent_hour=5)), ("digest", Tally(failed=9))]


def test_the_command_makes_a_token_that_the_setting_knows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.argv", ["notify-service", "operator", "token", "night.shift"])
    assert main() == 0
    token, entry = (line.rpartition(": ")[2] for line in capsys.readouterr().out.splitlines())
    assert named_tokens.name_of(token, tokens.parse(entry.strip())) == "night.shift"


@pytest.mark.parametrize("text", ["chen", "chen:abc", f"ch en:{'0' * 64}", f":{'0' * 64}"])
def test_a_setting_that_is_malformed_is_refused_without_its_value(text: str):
    with pytest.raises(SettingsError, match=r"^NOTIFY_OPERATOR_TOKENS must be") as refused:
        tokens.parse(text)
    assert text not in str(refused.value)
