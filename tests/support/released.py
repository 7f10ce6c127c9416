"""The last release, as git has it: ``deploy/RELEASED`` holds its name and commit, because a clone may lack tags."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME, COMMIT = (ROOT / "deploy" / "RELEASED").read_text(encoding="utf-8").split()


def files(ending: str, *paths: str) -> dict[str, str]:
    """The text of each file under ``paths`` that ends so, in the last release. Skips as :func:`archive` does."""
    with tarfile.open(fileobj=io.BytesIO(archive(*paths))) as tar:
        found = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.name.endswith(ending)}
        return {name: file.read().decode() for name, file in found.items() if file is not None}


def archive(*paths: str) -> bytes:
    """A tar file of ``paths`` in the last release, of everything where none is named.

    Skips the test where history does not reach there.
    """
    done = subprocess.run(  # noqa: S603 - our own history
        ["git", "-C", str(ROOT), "archive", COMMIT, *paths],  # noqa: S607 - whichever git is here
        check=False,
        capture_output=True,
    )
    if done.returncode:
        said = done.stderr.decode().strip()
        pytest.skip(f"the commit of {NAME}, {COMMIT[:9]}, is not to be had (git fetch --unshallow?): {said}")
    return done.stdout


def programs() -> Path:
    """Where the programs of the last release are: made from its ``uv.lock``, and kept under ``.run`` between runs."""
    folder = ROOT / ".run" / "released" / COMMIT
    if not (folder / "made").exists():
        with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
            tar.extractall(folder, filter="data")
        # Of the environment that runs the tests it is to know nothing.
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        done = subprocess.run(  # noqa: S603 - our own history
            [_uv(), "sync", "--frozen", "--quiet", "--no-dev", "--all-packages"],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment | {"UV_PYTHON_DOWNLOADS": "never"},
        )
        assert done.returncode == 0, done.stderr
        (folder / "made").touch()
    return folder / ".venv" / "bin"


def _uv() -> str:
    """The uv that made this environment (deploy/local/bootstrap.py)."""
    known = [ROOT / ".tools" / "bin" / "uv", ROOT / ".tools" / "pip" / "bin" / "uv"]
    return next((str(uv) for uv in known if uv.exists()), "uv")
