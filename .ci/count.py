"""Prints how many tests of a JUnit report passed and failed; exit code 1 when one was skipped that CI must run."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

#: What needs something beside the servers: a browser, packages of npm. On a desk they may be left out.
MUST_RUN = (".e2e.", ".test_single_sign_on.", ".test_asyncapi.", ".test_event_reader.")
#: What needs the last release, where the clone's history reaches there.
HISTORY = (".rolling.test_beside.", ".test_released.", ".test_gateway.")
#: Where the servers are containers, there is a Docker engine; where they are the machine's own, there is their pg_dump.
MUST_RUN_ON = {"containers": (*MUST_RUN, ".compose.", ".test_relay."), "private": (*MUST_RUN, ".rolling.test_restore.")}


def main(report: Path, servers: str, *, has_history: bool) -> int:
    """Read the report that pytest wrote; one that is missing counts as one failure. ``servers`` is their kind."""
    if not report.exists():
        print("0 1")  # noqa: T201 - this is what it is for
        return 0
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - our own file
    broken = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]
    print(len(cases) - len(broken) - len(skipped), len(broken))  # noqa: T201 - the same
    must_run = (*MUST_RUN_ON[servers], *(HISTORY if has_history else ()))
    return 1 if any(name in f".{case.get('classname')}." for case in skipped for name in must_run) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], has_history=sys.argv[3] == "history"))
