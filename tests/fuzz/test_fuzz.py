"""Schemathesis finds nothing: what the document promises, the gateway keeps, whatever is sent to it.

KINBIND_FUZZ_EXAMPLES is how many examples an operation gets; ``make fuzz`` takes 1,000.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from binding_service.messages import MESSAGES
from contract.documents import openapi
from shared.named_tokens import hash_of
from support.accounts import mother
from support.town import LI, WANG, make_student_form, town

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.databases import Databases
    from support.town import Town

EXAMPLES = int(os.environ.get("KINBIND_FUZZ_EXAMPLES", "5"))
LONGEST_SECONDS = 60 + 30 * EXAMPLES
TESTS = Path(__file__).resolve().parents[1]
MANY = 1_000_000
#: Else everything would be behind 429.
OTP = {
    "resend_seconds": 0,
    "contact_per_hour": MANY,
    "contact_per_day": MANY,
    "address_per_hour": MANY,
    "address_per_day": MANY,
}
LIMITS = """
match_per_login_hour match_per_contact_day match_per_address_hour match_per_student_day parent_per_login_hour
parent_per_contact_day parent_per_address_hour paper_forms_per_contact_hour sign_in_per_browser_hour
sign_in_per_login_hour sign_in_per_address_hour objections_per_account_day
"""
BINDING = dict.fromkeys(LIMITS.split(), MANY)
#: What a right request must bring is more than JSON Schema can say: check digits, a code that came by mail.
EXCLUDED_CHECKS = "positive_data_acceptance"
#: It ends the session that all others need; without a session it is tried too.
SIGN_OUT = "sign_out_api_v1_sessions_current_delete"
OPERATORS_TOKEN = "of a school's system"
#: Taken before a test changes what is answered.
DOCUMENT = openapi()
OPEN_TO_ALL = [
    operation["operationId"]
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
    if "security" not in operation
]
#: It stays open: read by tests/integration/binding/test_watching.py.
STREAM = "events_api_v1_bindings_events_get"


@pytest.fixture
async def open_gates(databases: Databases, broker_url: str, font_folders: list[Path]) -> AsyncIterator[Town]:
    fonts = {
        "font_paths": [str(folder) for folder in font_folders],
        "roster_tokens": f"school:{hash_of(OPERATORS_TOKEN)}",
    }
    async with town(databases, broker_url, otp=OTP, binding=BINDING | fonts) as here:
        yield here


async def fuzz(town: Town, folder: Path, *arguments: str) -> tuple[int, str]:
    """What Schemathesis says of the gateway, and its exit code."""
    document = folder / "openapi.json"
    document.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    program = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        *("--no-color", "run", str(document), "--url", town.url),
        # One worker: several make Python 3.11 fail while it parses ("AST constructor recursion depth mismatch").
        *("--max-examples", str(EXAMPLES), "--workers", "1", "--seed", "7", "--continue-on-failure"),
        *("--exclude-checks", EXCLUDED_CHECKS, "--exclude-operation-id", STREAM),
        *("--suppress-health-check", "all", "--request-timeout", "20"),
        *arguments,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=folder,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "fuzz.hooks", "PYTHONPATH": str(TESTS)},
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            said, _ = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
    (folder / "said.txt").write_bytes(said)
    return program.returncode or 0, said.decode()


async def test_it_finds_nothing_where_nobody_is_signed_in(open_gates: Town, tmp_path: Path) -> None:
    # What asks for a session is tried without one by Schemathesis itself, where somebody is signed in (ignored_auth).
    code, said = await fuzz(open_gates, tmp_path, *(f"--include-operation-id={name}" for name in OPEN_TO_ALL))
    assert code == 0, said


async def test_it_finds_nothing_where_an_account_is_signed_in(open_gates: Town, tmp_path: Path) -> None:
    token = await mother(open_gates)
    await open_gates.do("POST", "/draft/students", token, **make_student_form(WANG))
    code, said = await fuzz(
        open_gates, tmp_path, "--header", f"Authorization: Bearer {token}", "--exclude-operation-id", SIGN_OUT
    )
    assert code == 0, said
    # It was somebody all the time.
    assert [child["name"] for child in await open_gates.do("GET", "/account/family", token)] == [LI.name]


async def test_it_finds_nothing_where_a_schools_system_sends(open_gates: Town, tmp_path: Path) -> None:
    header = f"Authorization: Bearer {OPERATORS_TOKEN}"
    code, said = await fuzz(open_gates, tmp_path, "--header", header, "--include-tag", "roster")
    assert code == 0, said


async def test_it_would_find_an_answer_that_the_document_does_not_have(
    open_gates: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("binding_service.errors.NoAttemptError.code", "unheard_of")
    monkeypatch.setattr("binding_service.messages.MESSAGES", {**MESSAGES, "unheard_of": "?"})
    code, said = await fuzz(open_gates, tmp_path, "--include-path", "/api/v1/sessions")
    assert (code, "unheard_of" in said) == (1, True), said
