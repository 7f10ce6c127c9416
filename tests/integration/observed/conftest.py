"""The four services as processes, their metrics served and their traces collected, after one binding's whole way."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from local_stack.processes import free_port
from support.collector import collecting
from support.databases import fresh_databases
from support.observed import SERVICES, Family, Observed, Walker
from support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_stack.servers import Servers


@pytest.fixture(scope="session")
def observed(
    servers: Servers, template: str, font_folders: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observed]:
    """Everything running, one binding applied for, approved and told of."""
    vhost = f"test-{uuid4().hex[:12]}"
    ports = {service: free_port() for service in SERVICES}
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        databases = stack.enter_context(fresh_databases(servers.postgres, template))
        servers.rabbitmq.make_vhost(vhost)
        stack.callback(servers.rabbitmq.drop_vhost, vhost)
        logs = tmp_path_factory.mktemp("logs")
        # For these processes alone: others that this session starts have ports of their own, or none.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
            patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
            for service, port in ports.items():
                patch.setenv(f"{service}_METRICS_PORT".upper(), str(port))
            broker_url = servers.rabbitmq.of_vhost(vhost)
            running = stack.enter_context(running_stack(databases, broker_url, logs, font_folders))
        family = Family(running.roster.students[0])
        walker = Walker(running, family)
        with walker.http:
            walker.stray()
            binding_id = walker.apply()
            running.wait_for_mail(family.email, "收到")
            walker.approve(binding_id)
        yield Observed(running, collector, ports, family)
