"""Front ends as others build them: by the guide's commands, and by a client that is generated from the document."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_stack.processes import wait_until
from support.families import parent_id
from support.lives import decide
from support.npm import NoNodeError, node_with_packages

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stack import Stack

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "api.md"
BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = ROOT / "examples" / "typescript"
#: As in the checkout, so that the example's commands find the document; packages are kept from one run to the next.
COPY = ROOT / ".run" / "front-end"
MARK = "@@ end of block "
LONGEST_SECONDS = 180


def approve_what_comes(stack: Stack, program: subprocess.Popen[str]) -> None:
    """The homeroom teacher of the first child approves the one application that there is, once the program sent it."""
    sent: list[str] = []

    def is_sent() -> bool:
        sent[:] = [str(stack.sql("SELECT coalesce(min(id::text), '') FROM binding.bindings"))]
        return sent != [""] or program.poll() is not None

    wait_until(is_sent, within=LONGEST_SECONDS, what="the application")
    if sent != [""]:
        decide(stack, sent[0], stack.roster.students[0], "approved")


def said_by(command: list[str], said_to: str, stack: Stack, **environment: str) -> str:
    """What a parent's program says, while the school does its part."""
    with subprocess.Popen(  # noqa: S603 - ours
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment,
    ) as program:
        assert program.stdin is not None
        program.stdin.write(said_to)
        program.stdin.close()
        program.stdin = None
        try:
            approve_what_comes(stack, program)
            said, _ = program.communicate(timeout=LONGEST_SECONDS)
        finally:
            program.kill()
    assert program.returncode == 0, said
    return said


# --- docs/api.md ---


def shape(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The fields of an answer, without what stands in them."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else isinstance(value, list)


CHECKS: dict[str, Callable[[str, str], bool]] = {
    "json": lambda told, said: shape(json.loads(told)) == shape(json.loads(said.splitlines()[-1])),
    "text": lambda told, said: told.split() == said.split(),
    # More may come while it is read: the school has its eye on it already.
    "event-stream": lambda told, said: (
        [line.partition(":")[0] for line in said.split("\n")][: told.count("\n")]
        == [line.partition(":")[0] for line in told.splitlines()]
    ),
}


def test_the_commands_of_the_guide_do_what_it_tells(stack: Stack) -> None:
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    commands = [text for kind, text in blocks if kind == "sh"]
    script = "set -euo pipefail\n" + "".join(
        f"{text}\necho\necho '{MARK}{number}'\n" for number, text in enumerate(commands)
    )
    here = script.replace("http://localhost:8002", stack.binding).replace("http://localhost:8004", stack.notify)
    said = re.split(rf"\n{MARK}\d+\n", said_by(["bash", "-s"], here, stack, LC_ALL="C.UTF-8"))
    assert len(said) == len(commands) + 1
    number = -1
    for kind, text in blocks:
        if kind == "sh":
            number += 1
        else:
            assert CHECKS[kind](text, said[number]), (commands[number], said[number])
    assert {kind for kind, _ in blocks} == {"sh", *CHECKS}


# --- examples/typescript ---


@pytest.fixture(scope="module")
def example() -> tuple[str, Path]:
    """Node.js, and the folder with the example, its client generated from the document and compiled."""
    folder = COPY / "examples" / "typescript"
    files = [path.name for path in EXAMPLE.iterdir() if path.is_file()]
    (COPY / "docs").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "docs" / "openapi.json", COPY / "docs")
    try:
        node = node_with_packages(EXAMPLE, folder, files)
    except NoNodeError as missing:
        pytest.skip(str(missing))
    for name in ("generate", "build"):
        run_script(folder, name)
    return node, folder


def run_script(folder: Path, name: str) -> None:
    done = subprocess.run(  # noqa: S603 - see support.npm
        ["npm", "run", name],  # noqa: S607 - whichever npm is here
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_generated_client_goes_the_whole_path(stack: Stack, example: tuple[str, Path]) -> None:
    node, folder = example
    student = stack.roster.students[0]
    said = said_by(
        [node, str(folder / "built" / "walk.js")],
        "",
        stack,
        KINBIND_URL=stack.binding,
        KINBIND_MAILBOX=stack.notify,
        EMAIL="lin@example.org",
        PARENT_ID=parent_id(1),
        CHILD_ID=student.national_id,
        CHILD_LEVEL=student.homeroom.school.level,
        CHILD_SCHOOL=student.homeroom.school.name,
    )
    lines = said.splitlines()
    assert lines[0] == "logged in as li***@example.org; next: students"
    assert lines[1] == f"filled in for {student.name} of {student.homeroom.school.name}; missing: null"
    assert lines[-2:] == [
        "signed in with the first password; next: password",
        f"{student.name}, {student.homeroom.title}: Approved",
    ]


def test_what_the_document_does_not_have_the_compiler_refuses(example: tuple[str, Path]) -> None:
    _, folder = example
    wrong = folder / "wrong.ts"
    text = (EXAMPLE / "walk.ts").read_text(encoding="utf-8")
    wrong.write_text(text.replace("school_id: chosen.id", "school: chosen.id"), encoding="utf-8")
    try:
        done = subprocess.run(
            ["npx", "tsc", "--noEmit", "-p", "."],  # noqa: S607 - the same
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        settings = json.loads((folder / "tsconfig.json").read_text(encoding="utf-8")) | {"files": ["wrong.ts"]}
        (folder / "wrong.json").write_text(json.dumps(settings), encoding="utf-8")
        done = subprocess.run(
            ["npx", "tsc", "--noEmit", "-p", "wrong.json"],  # noqa: S607 - the same
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0
        assert "'school' does not exist" in done.stdout
    finally:
        wrong.unlink()
