from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from shared.logs import configure_logs
from support.school import ADMINISTRATOR, PAPER_PARENT_ID, add_guardian, add_staff, hear, paper_entry, unbind
from support.town import LI, PARENT_ID, SIGNATURE, STROKES, make_parent_form

if TYPE_CHECKING:
    from support.town import Town

CONTACT = "lin@example.org"
REASON = "監護權已由法院變更"
GUARDIAN, GUARDIAN_EMAIL, GUARDIAN_PHONE = "歐陽靜宜", "ouyang@home.example", "0900000123"


@pytest.fixture
def log_lines() -> io.StringIO:
    """What the service would print, as it would print it."""
    configure_logs("binding", "INFO")
    lines = io.StringIO()
    stream = logging.getLogger().handlers[0]
    assert isinstance(stream, logging.StreamHandler)
    stream.setStream(lines)
    return lines


async def whole_application(town: Town) -> list[str]:
    """Apply, be approved, sign in, be unbound, come on paper, and fail at a few things; the codes that were used."""
    await add_staff(town, ADMINISTRATOR, PAPER_PARENT_ID, role="administrator")
    await add_guardian(town, "G-1", GUARDIAN, LI, number=PARENT_ID, email=GUARDIAN_EMAIL, phone=GUARDIAN_PHONE)
    token = await town.sign_in(CONTACT)
    wrong = await town.call("POST", "/draft/students", token, relation="mother", national_id=LI.national_id)
    assert wrong.status_code == 422
    await town.fill(token, parent=make_parent_form())
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    binding_id = (await town.bindings(token))[0]["id"]
    await town.decided(binding_id)
    await town.do("POST", "/account/sessions", login=CONTACT, password=PARENT_ID[-6:])
    await unbind(town, binding_id, REASON)
    await hear(town, paper_entry(town), paper_entry(town, national_id=PAPER_PARENT_ID[::-1]))
    return [await town.code_for(CONTACT)]


async def test_nothing_at_rest_tells_an_id_number_a_code_or_a_signature(town: Town) -> None:
    codes = await whole_application(town)
    secrets = [
        PARENT_ID,
        LI.national_id,
        PAPER_PARENT_ID,
        REASON,
        GUARDIAN,
        GUARDIAN_EMAIL,
        "900000123",
        json.dumps(STROKES[0]),
        json.dumps(STROKES[0], separators=(",", ":")),
    ]
    columns = await town.rows(
        "SELECT table_schema AS s, table_name AS t, column_name AS c FROM information_schema.columns"
        " WHERE table_schema IN ('otp', 'binding', 'review', 'notify', 'public')"
        " AND data_type IN ('text', 'jsonb', 'json', 'ARRAY', 'character varying')"
    )
    assert len(columns) > 30
    for column in columns:
        place = '"{s}"."{t}"'.format(**column)
        values = await town.rows(f'SELECT "{column["c"]}"::text AS value FROM {place}')  # noqa: S608 - the catalogue's names
        for secret in secrets:
            assert not [row for row in values if secret in (row["value"] or "")], column
        # Six digits may stand in a hash by chance: a code would stand alone.
        assert not [row for row in values if (row["value"] or "") in codes], column


async def test_the_log_tells_no_personal_data(log_lines: io.StringIO, town: Town) -> None:
    codes = await whole_application(town)
    text = log_lines.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"application submitted", "account opened", "request"} <= {line["event"] for line in lines}
    assert all(line["correlation_id"] for line in lines if line["event"] == "request")
    for secret in (
        PARENT_ID,
        LI.national_id,
        CONTACT,
        "912345678",
        "林淑芬",
        LI.name,
        PAPER_PARENT_ID,
        "987654321",
        "李大同",
        REASON,
        GUARDIAN,
        "example.org",
        json.dumps(STROKES[0]),
    ):
        assert secret not in text, secret
    for code in codes:
        assert not [line for line in lines if code in map(str, line.values())]
