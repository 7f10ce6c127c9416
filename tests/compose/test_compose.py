"""deploy/docker-compose.yml, built and run: the whole path over the published ports, scaled, restarted, stopped.

The tests go from the first to the last: what one has started the next one uses, and the last one stops it.
"""

from __future__ import annotations

import csv
import json
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from local_stack.processes import wait_until
from support import families
from support.compose import CLIENT_CONNECTIONS, CLIENT_REQUESTS, IMAGE_PREFIX, PORTS
from support.operators import TOKENS
from support.papers import Paper
from support.stack import TEACHERS_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_stack.sample_roster import Staff, Student
    from support.compose import Installation
    from support.families import Family

pytestmark = pytest.mark.compose

REPLICAS = {"otp": 1, "binding": 1, "review": 3, "notify": 2}
#: Where nobody is: RFC 5737.
FORGED = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.9", "x-forwarded-proto": "http"}
#: Added to the base image, in millions of bytes as Docker counts them, fonts and typst (the PDF's) apart.
MOST_ADDED_MB = 60
SOON = 60
#: Where no container of a service is there, requests are held for 30 s.
LONGEST_HELD_SECONDS = 45
#: What the proxy's stats socket tells of each backend, as CSV.
SHOW_STATES = (
    "import socket; s = socket.create_connection(('127.0.0.1', 8080)); s.sendall(b'show stat\\n');"
    " print(s.makefile().read())"
)
#: The proxy counts requests in periods of 10 s: what was asked counts less and less for two of them.
FORGOTTEN_SECONDS = 21


@contextmanager
def browser(started: Installation, site: str, **more: object) -> Iterator[httpx.Client]:
    """As a browser: HTTP/2, and a page's own forms."""
    headers = {"sec-fetch-site": "same-origin"}
    with httpx.Client(
        base_url=site, verify=started.tls, http2=True, headers=headers, timeout=LONGEST_HELD_SECONDS, **more
    ) as client:
        yield client


@contextmanager
def signed_in(started: Installation, teacher: Staff) -> Iterator[httpx.Client]:
    with browser(started, started.review) as client:
        answer = client.post("/sign-in", data={"username": teacher.username, "password": TEACHERS_PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield client


def api_of(started: Installation, family: Family) -> httpx.Client:
    headers = {"authorization": f"Bearer {family.token}"}
    return httpx.Client(base_url=f"{started.binding}/api/v1", verify=started.tls, headers=headers, timeout=SOON)


def bind(started: Installation, serial: int, student: Student) -> Family:
    """One family's whole way, with the event stream of its progress open meanwhile; returns when the mail is there."""
    family = families.apply(started, serial, [student], headers=FORGED)
    with api_of(started, family) as parent, signed_in(started, student.homeroom.teacher) as teacher:
        (binding,) = parent.get("/bindings").json()
        page = f"/applications/{binding['id']}"
        wait_until(lambda: teacher.get(page).is_success, within=SOON, what="the application at the teacher's")
        with parent.stream("GET", "/bindings/events") as stream:
            states = (line for line in stream.iter_lines() if line.startswith("id: "))
            before = next(states)
            assert teacher.post(f"{page}/approve").status_code == 303
            assert next(states) != before
        assert parent.get("/bindings").json()[0]["state"] == "approved"
    started.wait_for_mail(family.email, "六碼")
    return family


def test_a_family_is_bound_over_the_published_ports(started: Installation):
    bind(started, 701, started.roster.students[0])


def test_pages_are_served_by_http_2_and_by_host_or_port(started: Installation):
    with browser(started, started.binding) as parents, browser(started, started.review) as teachers:
        page = parents.get("/")
        assert (page.http_version, page.status_code) == ("HTTP/2", 200)
        assert teachers.get("/sign-in").text != page.text
        as_host = parents.get("/sign-in", headers={"host": "teachers.invalid"})
        assert (as_host.status_code, as_host.text) == (200, teachers.get("/sign-in").text)


def test_what_is_out_of_order_is_told_inside_only(started: Installation):
    with browser(started, started.binding) as parents:
        assert parents.get("/health/ready").status_code == 404
        assert parents.get("/metrics").status_code == 404


def test_a_providers_receipt_reaches_notify_and_nothing_else_of_it_is_to_be_had(started: Installation):
    receipt = f"/receipts/mitake/{uuid4()}?msgid=0000000001&StatusFlag=4"
    with browser(started, started.binding) as parents, browser(started, started.review) as teachers:
        assert parents.get(receipt).text == "magicid=sms_gateway_rpack\nmsgid=0000000001\n"
        assert parents.get("/mailbox.json").status_code == 404
        assert teachers.get(receipt).status_code == 404


def test_operators_have_a_port_of_their_own_on_this_machine_alone(started: Installation):
    port = started.environment["OPERATORS_PORT"]
    (proxy,) = started.containers("proxy")
    assert started.docker("port", proxy, "8446").split() == [f"127.0.0.1:{port}"]
    with browser(started, f"https://localhost:{port}") as operator, browser(started, started.binding) as parents:
        assert operator.get("/").headers["location"] == "/sign-in"
        signed_in = operator.post("/sign-in", data={"token": TOKENS["chen"]})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        assert operator.get("/messages").status_code == 200
        for address in ("/mailbox", "/mailbox.json", "/health/ready", f"/receipts/mitake/{uuid4()}"):
            assert operator.get(address).status_code == 404
        assert parents.get("/messages").status_code == 404
        assert parents.get("/receipts/../messages").status_code == 404


def test_the_address_of_a_client_is_what_the_proxy_saw(started: Installation):
    seen = sql(started, "SELECT DISTINCT consent_address FROM binding.applications")
    assert seen
    assert FORGED["x-forwarded-for"] not in seen
    (proxy,) = started.containers("proxy")
    # From this machine everybody comes by the gateway of the proxy's network.
    assert seen == [
        started.docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", proxy).strip()
    ]


def test_a_forwarding_header_is_believed_from_the_proxy_only(started: Installation):
    """A redirection to a path without its slash is an absolute address: it tells which scheme the service believes."""
    with browser(started, started.binding) as parents:
        assert parents.get("/progress/", headers=FORGED).headers["location"].startswith("https://")
    ask = (
        "from http.client import HTTPConnection; c = HTTPConnection('binding', 8002);"
        "c.request('GET', '/progress/', headers={'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '203.0.113.9'});"
        "print(c.getresponse().headers['location'])"
    )
    assert started.compose("exec", "-T", "otp", "python3", "-c", ask).strip() == "http://binding:8002/progress"


@pytest.mark.parametrize("service", [*PORTS, "operations"])
def test_an_image_adds_little_and_says_what_it_is(started: Installation, service: str):
    (image,) = json.loads(started.docker("image", "inspect", f"{IMAGE_PREFIX}-{service}:latest"))
    labels = image["Config"]["Labels"]
    for label in ("title", "description", "version", "revision"):
        assert labels[f"org.opencontainers.image.{label}"]
    assert image["Config"]["User"] == "10001:10001"
    assert service == "operations" or image["Config"]["Healthcheck"]["Test"][0] == "CMD"
    base = started.environment.get("PYTHON_IMAGE", "python:3.13-slim")
    added = image["Size"] - int(started.docker("image", "inspect", "--format", "{{.Size}}", base))
    assert (added - bytes_for_pdf(started, service)) / 1e6 < MOST_ADDED_MB


def bytes_for_pdf(started: Installation, service: str) -> int:
    """What binding's fonts and its typesetter take; nothing elsewhere."""
    if service != "binding":
        return 0
    count = (
        "from pathlib import Path; import typst;"
        "folders = [Path('/usr/share/fonts'), Path(typst.__file__).parent];"
        "print(sum(f.stat().st_size for d in folders for f in d.rglob('*') if f.is_file()))"
    )
    return int(started.compose("exec", "-T", "binding", "python3", "-c", count))


def test_the_paper_form_prints_every_font_s_characters(started: Installation):
    """As the fonts of a machine do: those of Extensions B and G, of CNS 11643 alone, of another language."""
    name = "林\N{CJK UNIFIED IDEOGRAPH-20BB7}\N{CJK UNIFIED IDEOGRAPH-30000}\U000f0000Đặng"
    family = families.apply(started, 702, [started.roster.students[1]], name=name)
    printed = families.paper_form(started, family)
    assert printed.startswith(b"%PDF-")
    assert name in Paper(printed).text().replace(" ", "")


def test_scaled_services_share_sessions_and_streams(started: Installation):
    wanted = [f"--scale={service}={count}" for service, count in REPLICAS.items()]
    started.compose("up", "-d", "--no-deps", "--no-recreate", *wanted, *REPLICAS)
    started.wait_until_ready(*REPLICAS)
    assert {service: len(started.containers(service)) for service in REPLICAS} == REPLICAS
    reviews = started.containers("review")
    with signed_in(started, started.roster.students[2].homeroom.teacher) as teacher:

        def everybody_answered() -> bool:
            assert teacher.get("/").status_code == 200
            return all(answered(started, container) for container in reviews)

        wait_until(everybody_answered, within=SOON, what="each review to answer the one session")
    family = bind(started, 703, started.roster.students[2])
    codes = [mail for mail in started.mail_to(family.email) if mail["code"]]
    assert len(codes) == 1


def answered(started: Installation, container: str) -> bool:
    """Whether this review has shown a teacher's list."""
    lines = [json.loads(line) for line in started.log(container).splitlines() if line.startswith("{")]
    return any((line.get("path"), line.get("status")) == ("/", 200) for line in lines)


class Visits:
    """What visitors of both sites got, and how long they waited."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.seconds: list[float] = []

    def visit(self, client: httpx.Client, path: str) -> None:
        """Once."""
        began = time.monotonic()
        try:
            answer = client.get(path)
        except httpx.TransportError as fault:
            self.failed.append(f"{path}: {fault!r}")
        else:
            if answer.status_code != 200:
                self.failed.append(f"{path}: {answer.status_code}")
        self.seconds.append(time.monotonic() - began)


@contextmanager
def visitors(started: Installation, family: Family, teacher: Staff) -> Iterator[Visits]:
    """A few requests a second on both sites, for the time of the block."""
    visits = Visits()
    stop = threading.Event()

    def go(client: httpx.Client, paths: list[str]) -> None:
        for path in cycle(paths):
            if stop.wait(0.4):
                return
            visits.visit(client, path)

    with (
        api_of(started, family) as api,
        browser(started, started.binding) as parents,
        signed_in(started, teacher) as at,
    ):
        api.timeout = httpx.Timeout(LONGEST_HELD_SECONDS)
        walks = [(api, ["bindings", "statement"]), (parents, ["/", "/account/sign-in"]), (at, ["/", "/?show=ended"])]
        threads = [threading.Thread(target=partial(go, client, paths)) for client, paths in walks]
        for thread in threads:
            thread.start()
        try:
            yield visits
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_a_restart_of_one_service_after_the_other_fails_no_request(started: Installation):
    student = started.roster.students[3]
    family = families.apply(started, 704, [student])
    with visitors(started, family, student.homeroom.teacher) as visits:
        for service in REPLICAS:
            started.compose("restart", "-t", "50", service)
            started.wait_until_ready(service)
    assert visits.failed == []
    assert len(visits.seconds) > 50
    assert max(visits.seconds) < LONGEST_HELD_SECONDS


def test_one_container_of_several_is_restarted_without_anybody_waiting(started: Installation):
    student = started.roster.students[3]
    family = families.apply(started, 705, [started.roster.students[4]])
    with visitors(started, family, student.homeroom.teacher) as visits:
        for container in started.containers("review"):
            started.docker("restart", "-t", "50", container)
            started.wait_until_ready("review")
    assert visits.failed == []
    assert max(visits.seconds) < 3


def has_none_ready(started: Installation) -> bool:
    """Whether the proxy finds no container ready of any site that has been looked at while some were."""
    (proxy,) = started.containers("proxy")
    states = csv.DictReader(started.docker("exec", proxy, "python3", "-c", SHOW_STATES).lstrip("# ").splitlines())
    of_sites = {each["pxname"]: each["status"] for each in states if each["svname"] == "BACKEND"}
    return {of_sites[site] for site in ("parents", "teachers", "operators")} == {"DOWN"}


def test_every_site_can_be_looked_at_while_the_broker_is_away(started: Installation):
    sites = [started.binding, started.review, f"https://localhost:{started.environment['OPERATORS_PORT']}"]
    (broker,) = started.containers("rabbitmq")
    started.docker("kill", broker)
    try:
        with ExitStack() as opened:
            clients = [opened.enter_context(browser(started, site)) for site in sites]
            wait_until(partial(has_none_ready, started), within=SOON, what="the proxy to know that nobody is ready")
            assert [client.get("/sign-in").status_code for client in clients[1:]] == [200, 200]
            assert clients[0].get("/").status_code == 200
    finally:
        started.docker("start", broker)
    for service in REPLICAS:
        started.wait_until_ready(service)


def test_an_address_gets_no_more_connections_than_its_share(started: Installation):
    address = ("localhost", int(started.environment["BINDING_PORT"]))
    with browser(started, started.binding) as inside, ExitStack() as held:
        assert inside.get("/").status_code == 200
        for _ in range(CLIENT_CONNECTIONS // 2):
            held.enter_context(socket.create_connection(address))
        assert is_let_in(started)

        # Docker takes connections at once and hands them on in any order: the one that is refused may be any.
        # Many a time, because one that says nothing is closed after 10 s.
        def is_full() -> bool:
            for _ in range(CLIENT_CONNECTIONS // 10):
                held.enter_context(socket.create_connection(address))
            return not is_let_in(started)

        wait_until(is_full, within=SOON, what="a connection to be one too many")
        assert inside.get("/").status_code == 200
        held.close()
        wait_until(partial(is_let_in, started), within=SOON, what="room for another connection")


def is_let_in(started: Installation) -> bool:
    """Whether another connection is taken."""
    with browser(started, started.binding) as another:
        try:
            return another.get("/").status_code == 200
        except httpx.TransportError:
            return False


def test_a_client_that_floods_is_answered_by_the_proxy_until_it_stops(started: Installation):
    with browser(started, started.binding) as client, browser(started, started.review) as teachers:
        assert CLIENT_REQUESTS / 2 < answers_before_the_limit(client) < CLIENT_REQUESTS * 2
        # It goes on, so that it stays beyond the limit while the test looks around.
        for _ in range(CLIENT_REQUESTS):
            client.get("/health/ready")
        page, problem = client.get("/"), client.get("/api/v1/statement")
        assert {page.status_code, problem.status_code, teachers.get("/sign-in").status_code} == {429}
        assert (page.headers["retry-after"], problem.headers["retry-after"]) == ("10", "10")
        assert (page.headers["content-type"], "請稍候再試" in page.text) == ("text/html; charset=utf-8", True)
        assert (problem.headers["content-type"], problem.json()["code"]) == ("application/problem+json", "limited")
        assert "access-control-allow-origin" not in problem.headers
        elsewhere = client.get("/api/v1/statement", headers={"origin": "https://parents.example"})
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (429, "limited")
        assert elsewhere.headers["access-control-allow-origin"] == "https://parents.example"
        assert elsewhere.headers["access-control-expose-headers"] == "retry-after"
        receipt = f"/receipts/mitake/{uuid4()}?msgid=0000000001&StatusFlag=4"
        assert client.get(receipt).text.startswith("magicid=")
        assert teachers.get(receipt).status_code == 429
        with browser(started, f"https://localhost:{started.environment['OPERATORS_PORT']}") as operator:
            assert operator.get("/sign-in").status_code == 200
        wait_until(lambda: client.get("/").is_success, within=FORGOTTEN_SECONDS, what="the client to be forgiven")


def answers_before_the_limit(client: httpx.Client) -> int:
    """How often the proxy answers what costs nobody anything, at most twice as often as it may."""
    for served in range(CLIENT_REQUESTS * 2):
        if client.get("/health/ready").status_code != 404:
            return served
    return CLIENT_REQUESTS * 2


def test_everything_stops_cleanly(started: Installation):
    ours = {container: service for service in (*REPLICAS, "proxy") for container in started.containers(service)}
    started.compose("stop", "-t", "50")
    ends = {service: started.state(container)["ExitCode"] for container, service in ours.items()}
    assert ends == dict.fromkeys(ends, 0)
    for container, service in ours.items():
        assert "Traceback" not in started.log(container), service


def sql(started: Installation, statement: str) -> list[str]:
    """The first column of what PostgreSQL answers."""
    asked = ("psql", "-h", "127.0.0.1", "-U", "postgres", "-d", "kinbind", "-At", "-c", statement)
    return started.compose("exec", "-T", "-e", "PGPASSWORD=development", "postgres", *asked).split()
