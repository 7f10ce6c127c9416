"""Prometheus' own programs: on the PATH, or out of Debian's package, unpacked under .run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from local_stack import packages
from local_stack.servers import StackError

RUN = Path(__file__).resolve().parents[2] / ".run"


def program(name: str) -> str:
    """``prometheus`` or ``promtool``; where it cannot be had, the test is skipped, and says so."""
    known = shutil.which(name) or str(RUN / "prometheus" / "usr" / "bin" / name)
    if not Path(known).exists():
        RUN.mkdir(exist_ok=True)
        try:
            packages.unpack(RUN / "prometheus", "prometheus")
        except (StackError, OSError) as fault:
            pytest.skip(f"{name} cannot be had here: {fault}")
    return known
