"""One binding's whole way, and what operations see of it: metrics, traces, and no personal data in either."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from prometheus_client.parser import text_string_to_metric_families

from binding_service.statements import statement
from local_stack.processes import wait_until
from local_stack.sample_roster import make_national_id
from support.stack import TEACHERS_PASSWORD
from support.town import SIGNATURE

if TYPE_CHECKING:
    from local_stack.sample_roster import Student
    from support.collector import Collector
    from support.stack import Stack

#: Scrape configuration, alerts, dashboards.
FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "observability"
SERVICES = ("otp", "binding", "review", "notify")
SOON = 20
STRANGERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
#: What nobody's metric or span may look like: an ID, an e-mail address, a UUID.
LOOKS_PERSONAL = re.compile(r"[A-Z][A-D1289]\d{8}|[\w.]+@[\w.]+|[0-9a-f]{8}-[0-9a-f]{4}-")


@dataclass
class Family:
    """Who applies, for whom: all that must be seen nowhere."""

    student: Student
    email: str = "observed@example.org"
    phone: str = "0987654321"
    name: str = "歐陽觀測"
    national_id: str = make_national_id("2", 5_550_001)
    #: Codes, tokens and ids that came up on the way.
    secrets: list[str] = field(default_factory=list)


@dataclass
class Observed:
    """What is looked at, and the ports at which it is."""

    stack: Stack
    collector: Collector
    ports: dict[str, int]
    family: Family

    def metrics_text(self, service: str) -> str:
        """What a Prometheus would fetch."""
        return httpx.get(f"http://127.0.0.1:{self.ports[service]}/metrics").raise_for_status().text

    def value(self, service: str, sample: str, **labels: str) -> float:
        """The sum of a service's samples of this name that have these labels; 0 where there are none."""
        families = text_string_to_metric_families(self.metrics_text(service))
        return sum(
            each.value
            for family in families
            for each in family.samples
            if each.name == sample and labels.items() <= each.labels.items()
        )


class Walker:
    """One parent's way through the API, and the teacher's through the pages."""

    def __init__(self, stack: Stack, family: Family) -> None:
        self.stack = stack
        self.family = family
        self.http = httpx.Client(base_url=f"{stack.binding}/api/v1", timeout=30)

    def call(self, method: str, path: str, **json: object) -> Any:  # noqa: ANN401 - JSON
        """Call the API for something that must succeed; the answer's JSON."""
        answer = self.http.request(method, path, json=json or None)
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None

    def apply(self) -> str:
        """Sign in by a code, fill everything in and send it; the binding's id."""
        family, student = self.family, self.family.student
        attempt = self.call("POST", "/codes", channel="email", contact=family.email)["attempt"]
        code = self.stack.code_for(family.email)
        wrong = "000000" if code != "000000" else "000001"
        assert self.http.post("/sessions", json={"attempt": attempt, "code": wrong}).status_code == 422
        token = self.call("POST", "/sessions", attempt=attempt, code=code)["token"]
        family.secrets += [attempt, code, token]
        self.http.headers["authorization"] = f"Bearer {token}"
        school = student.homeroom.school
        school_id = school.id
        form = {"relation": "mother", "level": school.level, "national_id": student.national_id, "school_id": school_id}
        self.call("POST", "/draft/students", **form)
        self.call("PUT", "/draft/consent", version=statement().version)
        self.call("PUT", "/draft/parent/id", national_id=family.national_id)
        self.call("PUT", "/draft/parent", name=family.name, email=family.email, phone=family.phone)
        self.call("POST", "/applications", signature=SIGNATURE)
        binding = self.call("GET", "/bindings")[0]
        family.secrets.append(binding["id"])
        return str(binding["id"])

    def approve(self, binding_id: str) -> None:
        """The homeroom teacher signs in and approves; returns when the parent is told."""
        teacher = self.family.student.homeroom.teacher
        pages = httpx.Client(base_url=self.stack.review, headers={"sec-fetch-site": "same-origin"}, timeout=30)
        with pages:
            signed_in = pages.post("/sign-in", data={"username": teacher.username, "password": TEACHERS_PASSWORD})
            assert signed_in.status_code == 303, signed_in.text
            wait_until(lambda: pages.get(f"/applications/{binding_id}").is_success, within=SOON, what="the application")
            approved = pages.post(f"/applications/{binding_id}/approve")
            assert approved.status_code == 303, approved.text
            self.family.secrets += [value for value in pages.cookies.values() if len(value) > len("zh-TW")]
        self.stack.wait_for_mail(self.family.email, "六碼")

    def stray(self) -> None:
        """Ask for what is not there, with data where it does not belong."""
        family = self.family
        for path in (f"/nowhere/{family.national_id}", f"/bindings/{uuid4()}?name={family.name}&email={family.email}"):
            assert self.http.get(path).status_code in {404, 405}
        self.http.request("PROPFIND", "/bindings", headers={"traceparent": f"00-{STRANGERS_TRACE}-00f067aa0ba902b7-01"})


def personal(observed: Observed) -> set[str]:
    """All that was typed, sent or given on the way."""
    family = observed.family
    student = family.student
    teacher = student.homeroom.teacher
    return {
        *(family.email, family.email.partition("@")[0], family.phone, family.phone.lstrip("0"), family.name),
        *(family.national_id, family.national_id[-6:], student.name, student.national_id, student.id),
        *(teacher.name, teacher.username, teacher.id, "127.0.0.1"),
        *family.secrets,
    }
