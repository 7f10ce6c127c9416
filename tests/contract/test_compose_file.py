"""The compose file keeps what it promises, whoever adds to it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from binding_service.api_parts import Problem
from binding_service.errors import LimitedError

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "deploy" / "docker-compose.yml").read_text("utf-8"))[
    "services"
]
OURS = [name for name, service in SERVICES.items() if "build" in service]
PROXY = ROOT / "deploy" / "compose" / "proxy"
HAPROXY = (PROXY / "haproxy.cfg").read_text("utf-8")
#: Kilobytes of the proxy: an open page by HTTP/2, measured, and one that is being answered as well, with two buffers.
KB_A_PAGE, KB_A_BUSY_ONE = 50, 50 + 2 * 16
OPEN_PAGES = 10_000
#: What runs for good.
LASTING = ("postgres", "rabbitmq", "otp", "binding", "review", "notify", "proxy")


def test_only_the_proxy_publishes_ports():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]


@pytest.mark.parametrize("name", OURS)
def test_what_we_build_cannot_write_to_its_image(name: str):
    assert SERVICES[name]["read_only"] is True


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_has_its_limits(name: str):
    assert {"mem_limit", "cpus"} <= SERVICES[name].keys()


def test_the_proxy_reaches_neither_the_database_nor_the_broker():
    assert set(SERVICES["proxy"]["networks"]) == {"front"}
    assert {name for name, service in SERVICES.items() if "front" in service.get("networks", ())} == {
        *("binding", "review", "notify", "proxy")
    }


@pytest.mark.parametrize("name", ["binding", "review", "notify"])
def test_forwarding_headers_are_believed_from_the_proxy_alone(name: str):
    address = SERVICES["proxy"]["networks"]["front"]["ipv4_address"]
    assert SERVICES[name]["environment"][f"{name}_TRUSTED_PROXIES".upper()] == address


def haproxy_number(setting: str) -> int:
    """A number of haproxy.cfg that stands there once."""
    (value,) = re.findall(rf"^ +{setting} (\d+)$", HAPROXY, re.MULTILINE)
    return int(value)


def test_the_proxy_has_room_for_ten_thousand_open_pages_and_more():
    pages, files = haproxy_number("maxconn"), haproxy_number("fd-hard-limit")
    assert pages >= OPEN_PAGES * 1.5
    # Two files each, and some hundreds of connections for operators.
    assert files > 2 * (pages + 500)
    memory = int(SERVICES["proxy"]["mem_limit"].removesuffix("m")) * 1024
    assert memory > OPEN_PAGES * KB_A_PAGE * 2
    assert memory > pages * KB_A_BUSY_ONE
    # It takes as many files as the engine allows; an engine that allows less refuses to start what asks for more.
    assert not any("ulimits" in service for service in SERVICES.values())


def test_the_proxy_is_given_what_its_configuration_names():
    named = set(re.findall(r"\$(\w+)", HAPROXY))
    assert named == SERVICES["proxy"]["environment"].keys()
    assert {"CLIENT_REQUESTS", "CLIENT_CONNECTIONS"} <= named


@pytest.mark.parametrize("variable", ["CLIENT_REQUESTS", "CLIENT_CONNECTIONS"])
def test_the_limits_of_a_client_are_the_same_wherever_they_are_told(variable: str):
    (default,) = re.findall(r":-(\d+)", SERVICES["proxy"]["environment"][variable])
    assert f"{variable}={default}" in (ROOT / "deploy" / "production.env").read_text("utf-8").splitlines()


def test_the_proxy_s_image_has_the_files_that_its_configuration_names():
    (copied,) = re.findall(r"^COPY (.+) /etc/kinbind/$", (PROXY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"/etc/kinbind/([\w.]+)", HAPROXY)) <= set(copied.split())


def test_the_proxy_refuses_in_the_api_as_the_gateway_does():
    said = json.loads((PROXY / "limited.json").read_text("utf-8"))
    assert said == Problem.model_validate(said).model_dump(exclude_none=True)
    assert (said["code"], said["status"]) == (LimitedError.code, LimitedError.status)
    assert (said["type"], said["title"]) == ("urn:kinbind:problem:limited", "limited")
    assert "10 秒" in said["detail"]
    assert HAPROXY.count("return status 429 ") == HAPROXY.count(" hdr Retry-After 10 ") == 3
