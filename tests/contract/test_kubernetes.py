"""deploy/kubernetes is what Kubernetes and the operators understand, and what the product is."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from starlette.routing import Match

import binding_service.app
import notify_service.app
import otp_service.app
import review_service.app
from contract import configuration, manifests
from contract.documents import ALERTS, DEFINITIONS, RULES, bus_of, rules
from contract.manifests import (
    FOLDER,
    PARTS,
    WORKLOADS,
    Peer,
    container_of,
    environment_of,
    labels_of,
    name_of,
    of_kind,
    rendered,
    secret_files,
    secrets_used,
    selects,
)
from kinbind_operations.settings import Settings as Operations
from shared.bus import event_queue
from shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.applications import Starlette

KUBERNETES = "1.37"
SCHEMAS = yaml.safe_load((FOLDER.parents[1] / "tests/contract/custom_resources.yml").read_text(encoding="utf-8"))[
    "resources"
]
SERVICES = tuple(configuration.SERVICES)
MAKE_APP = {
    "otp": otp_service.app.make_app,
    "binding": binding_service.app.make_app,
    "review": review_service.app.make_app,
    "notify": notify_service.app.make_app,
}
KEY = "a:" + b64encode(b"k" * 32).decode()
COMMAND: dict[str, Any] = json.loads((FOLDER / "kinbind.json").read_text(encoding="utf-8"))

each_part = pytest.mark.parametrize("part", PARTS)
each_service = pytest.mark.parametrize("service", SERVICES)


def deployment(service: str) -> dict[str, Any]:
    """The service's."""
    (found,) = [each for each in of_kind("Deployment") if name_of(each) == service]
    return found


def given(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - its own settings
    """The service's settings as its pod has them, with made-up secrets in the files."""
    environment = environment_of(deployment(service), "services")
    for file in secret_files(deployment(service)["spec"]["template"]["spec"]):
        (tmp_path / file.rpartition("/")[2]).write_text(
            KEY if "/KEY_" in file else "a secret of our own\n", encoding="utf-8"
        )
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value.replace("/run/secrets/kinbind", str(tmp_path)))
    return load(configuration.SERVICES[service])


def app(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starlette:
    """The service's, made as its pod makes it."""
    made: Starlette = MAKE_APP[service](given(service, tmp_path, monkeypatch))
    return made


def answers(app: Starlette, path: str, method: str = "GET") -> bool:
    """Whether the app has a route for it."""
    scope = {"type": "http", "path": path, "method": method, "root_path": "", "headers": []}
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)


# --- what Kubernetes and the operators understand ---


@each_part
def test_every_manifest_keeps_to_its_schema(part: str):
    for manifest in rendered(part):
        kind = f"{manifest['apiVersion']} {manifest['kind']}"
        if kind in SCHEMAS:
            faults = Draft202012Validator(SCHEMAS[kind]).iter_errors(manifest["spec"])
            assert [f"{kind} {fault.json_path}: {fault.message}" for fault in faults] == []
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_what_is_a_pods_in_a_custom_resource_keeps_to_the_pods_schema():
    (broker,) = of_kind("RabbitmqCluster")
    pod = {"affinity": broker["spec"]["affinity"], "containers": [{"name": "any"}]}
    whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}, "spec": pod}
    kubernetes_validate.validate(whole, KUBERNETES, strict=True)


def test_the_operators_command_is_a_pod():
    pod = {"apiVersion": "v1", "kind": "Pod", **COMMAND, "metadata": {"name": "kinbind", **COMMAND["metadata"]}}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)


@each_part
def test_what_is_referred_to_in_a_part_is_there(part: str):
    names = {kind: {name_of(each) for each in of_kind(kind, part=part)} for kind in ("ConfigMap", "ServiceAccount")}
    for workload in of_kind(*WORKLOADS, part=part):
        pod = workload["spec"]["template"]["spec"]
        container = container_of(workload)
        maps = [each["configMapRef"]["name"] for each in container.get("envFrom", [])]
        maps += [each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each]
        assert set(maps) <= names["ConfigMap"]
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
        if "serviceAccountName" in pod:
            assert pod["serviceAccountName"] in names["ServiceAccount"]


def test_every_object_is_in_our_namespace():
    stray = [name_of(each) for each in manifests.everything() if each["metadata"].get("namespace") != "kinbind"]
    assert stray == ["kinbind"]  # the namespace itself


# --- what every pod of ours is like ---


def pods() -> list[tuple[str, dict[str, Any]]]:
    """Each pod of ours that is made from these files, with whose it is."""
    found = [(name_of(each), each["spec"]["template"]["spec"]) for each in of_kind(*WORKLOADS)]
    return [*found, ("kinbind", COMMAND["spec"])]


@pytest.mark.parametrize(("name", "pod"), pods(), ids=[name for name, _ in pods()])
def test_a_pod_may_do_as_little_as_can_be(name: str, pod: dict[str, Any]):
    (container,) = pod["containers"]
    own = pod["securityContext"]
    assert (own["runAsNonRoot"], own["runAsUser"], own["seccompProfile"]) == (True, 10001, {"type": "RuntimeDefault"})
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    # A Service called otp would set OTP_PORT, which is a setting.
    assert pod["enableServiceLinks"] is False
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"], name


def test_an_image_is_one_that_the_project_makes_and_runs_as_its_user():
    made = {
        path.parent.name: path.read_text(encoding="utf-8") for path in FOLDER.parents[1].glob("services/*/Dockerfile")
    }
    made["operations"] = (FOLDER.parents[1] / "operations" / "Dockerfile").read_text(encoding="utf-8")
    (postgres,) = {each["spec"]["imageName"] for each in of_kind("Cluster")}
    for workload in of_kind(*WORKLOADS):
        image = container_of(workload)["image"]
        if image == postgres:
            continue
        name = re.fullmatch(r"registry\.invalid/kinbind-(\w+):v[\d.]+", image)
        assert name, image
        assert "\nUSER 10001:10001\n" in made[name[1]]


# --- what the services are ---


@each_service
def test_a_pod_has_the_settings_to_start_in_production(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = given(service, tmp_path, monkeypatch)
    assert settings.environment == "production"
    assert settings.rabbitmq_declares is False
    app(service, tmp_path, monkeypatch)


@each_service
def test_every_variable_is_a_setting(service: str):
    fields = configuration.SERVICES[service].model_fields
    for variable in environment_of(deployment(service), "services"):
        name = variable.removeprefix(f"{service.upper()}_").lower()
        assert name in fields or name.removesuffix("_file") in fields, variable


def test_every_variable_of_the_operators_command_is_a_setting_and_its_files_are_there():
    (container,) = COMMAND["spec"]["containers"]
    for each in container["env"]:
        name = each["name"].removeprefix("KINBIND_").lower()
        assert name.removesuffix("_file") in Operations.model_fields
        assert not name.endswith("_file") or each["value"] in secret_files(COMMAND["spec"])


@each_service
def test_a_file_that_a_variable_names_is_mounted_and_every_mounted_one_is_named(service: str):
    environment = environment_of(deployment(service), "services")
    named = {value for variable, value in environment.items() if variable.endswith("_FILE")}
    assert named == set(secret_files(deployment(service)["spec"]["template"]["spec"]))


@each_service
def test_ports_and_probes_are_the_services(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    container = container_of(deployment(service))
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    settings = given(service, tmp_path, monkeypatch)
    assert ports == {"http": settings.port, "metrics": settings.metrics_port}
    assert settings.metrics_host == "0.0.0.0"  # noqa: S104 - Prometheus comes from elsewhere
    (network,) = [each for each in of_kind("Service") if name_of(each) == service]
    assert network["spec"]["ports"] == [{"name": "http", "port": settings.port, "targetPort": "http"}]
    assert selects({"matchLabels": network["spec"]["selector"]}, labels_of(deployment(service)))
    made = app(service, tmp_path, monkeypatch)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"
        assert answers(made, container[probe]["httpGet"]["path"])
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"


@each_service
def test_a_pod_gets_the_time_that_a_stop_takes(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = given(service, tmp_path, monkeypatch)
    readiness = container_of(deployment(service))["readinessProbe"]
    # Not ready has to be known, and the endpoints to be told, before connections are refused.
    assert settings.drain_seconds > readiness["periodSeconds"] * readiness["failureThreshold"]
    # Draining, then requests, then messages (Bus's graceful timeout), and closing.
    needed = settings.drain_seconds + 2 * settings.shutdown_seconds
    assert deployment(service)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= needed + 5


@each_service
def test_a_service_is_never_less_than_it_was_by_a_roll_out_or_a_drained_node(service: str):
    assert deployment(service)["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budgets = [
        each
        for each in of_kind("PodDisruptionBudget")
        if selects(each["spec"]["selector"], labels_of(deployment(service)))
    ]
    assert [each["spec"]["maxUnavailable"] for each in budgets] == [1]
    (scaled,) = [each for each in of_kind("ScaledObject") if each["spec"]["scaleTargetRef"]["name"] == service]
    assert scaled["spec"]["minReplicaCount"] >= 2
    assert "replicas" not in deployment(service)["spec"]


@each_service
def test_both_migrations_have_what_the_service_has(service: str):
    for part, suffix, arguments in (("before", "", ["migrate"]), ("after", "-post", ["migrate", "--post"])):
        (job,) = [each for each in of_kind("Job", part=part) if name_of(each) == f"{service}-migrate{suffix}"]
        assert container_of(job)["args"] == arguments
        assert container_of(job)["image"] == container_of(deployment(service))["image"]
        assert environment_of(job, part) == environment_of(deployment(service), "services")


# --- how it scales ---


@each_service
def test_it_scales_by_the_queues_that_it_consumes_and_by_no_other(service: str):
    (scaled,) = [each for each in of_kind("ScaledObject") if name_of(each) == service]
    processor, queue = scaled["spec"]["triggers"]
    assert processor["type"] == "cpu"
    pattern = queue["metadata"]["queueName"]
    declared = [each["name"] for each in json.loads(DEFINITIONS.read_text(encoding="utf-8"))["queues"]]
    bus = bus_of(service)
    consumed = {event_queue(service, event).name for event in bus.consumed} | set(bus.answered)
    assert {name for name in declared if re.search(pattern, name)} == consumed
    assert len(declared) < int(queue["metadata"]["pageSize"])


def test_the_database_has_connections_for_every_process_at_most():
    (database,) = of_kind("Cluster")
    most = int(database["spec"]["postgresql"]["parameters"]["max_connections"])
    needed = sum(
        # The pool, the one that listens; a roll-out adds one process.
        (scaled["spec"]["maxReplicaCount"] + 1)
        * (configuration.SERVICES[name_of(scaled)].model_fields["database_pool_size"].default + 1)
        for scaled in of_kind("ScaledObject")
    )
    assert needed < most - 20


# --- who reaches whom ---


def peers() -> list[Peer]:
    """Everybody, ours and others."""
    ours = []
    for workload in of_kind(*WORKLOADS):
        container = container_of(workload)
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        ours.append(Peer(name_of(workload), labels_of(workload), ports=ports))
    servers = [
        Peer("postgres", {"cnpg.io/cluster": "kinbind-postgres"}),
        Peer("rabbitmq", {"app.kubernetes.io/name": "kinbind-rabbitmq"}),
    ]
    others = ["kube-system", "monitoring", "gateway", "keda", "cnpg-system", "rabbitmq-system", "elsewhere", "world"]
    return [
        *ours,
        Peer("kinbind", COMMAND["metadata"]["labels"]),
        *servers,
        *(Peer(name, namespace=name) for name in others),
    ]


def test_network_policies_let_through_what_the_design_says_and_nothing_else():
    jobs = {name_of(each) for each in of_kind("Job")}
    preparation = {name for name in jobs if not name.startswith(SERVICES)}
    ports = {service: str(configuration.SERVICES[service].model_fields["port"].default) for service in SERVICES}
    outside = ("monitoring", "gateway", "keda", "cnpg-system", "rabbitmq-system", "elsewhere", "world", "kube-system")
    expected = {(name, "kube-system", "53") for name in {*SERVICES, *jobs, "kinbind", "postgres", "rabbitmq"}}
    expected |= {(name, "postgres", "5432") for name in {*SERVICES, *jobs, "kinbind", "postgres", "cnpg-system"}}
    expected |= {(name, "postgres", "8000") for name in ("postgres", "cnpg-system")}
    expected |= {(name, "rabbitmq", "5672") for name in {*SERVICES, "kinbind"}}
    expected |= {(name, "rabbitmq", "15672") for name in {*preparation, "kinbind", "keda", "rabbitmq-system"}}
    expected |= {("rabbitmq", "rabbitmq", port) for port in ("4369", "25672", "35672-35682")}
    expected |= {("kinbind", service, port) for service, port in ports.items()}
    expected |= {("gateway", "binding", ports["binding"]), ("gateway", "review", ports["review"])}
    expected |= {("gateway", "notify", ports["notify"])}
    expected |= {("monitoring", service, "9100") for service in SERVICES} | {
        (service, "monitoring", "4318") for service in SERVICES
    }
    expected |= {("monitoring", "postgres", "9187"), ("monitoring", "rabbitmq", "15692"), ("review", "world", "443")}
    expected |= {("notify", "world", port) for port in ("443", "465", "587")}
    expected |= {(server, "world", port) for server in ("postgres", "rabbitmq") for port in ("443", "6443")}
    found = {
        flow
        for flow in manifests.flows(of_kind("NetworkPolicy", part="services"), peers())
        # Between others it is theirs to say.
        if not (flow[0] in outside and flow[1] in outside)
    }
    assert found == expected


def test_the_servers_are_guarded_from_their_first_moment():
    assert of_kind("NetworkPolicy", part="servers") == of_kind("NetworkPolicy", part="services")


def test_routes_lead_to_what_the_web_services_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    apps = {service: app(service, tmp_path, monkeypatch) for service in ("binding", "review", "notify")}
    for route in of_kind("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for target in rule.get("backendRefs", []):
                assert target["port"] == configuration.SERVICES[target["name"]].model_fields["port"].default
                for match in rule["matches"]:
                    method = "POST" if match["path"]["value"].endswith("/imports") else "GET"
                    path = match["path"]["value"]
                    path += f"/mitake/{uuid4()}" if path == "/receipts" else ""
                    assert answers(apps[target["name"]], path, method)


@pytest.mark.parametrize(("service", "route"), [("binding", "parents"), ("review", "teachers")])
def test_a_stream_is_never_cut_off_by_a_time_limit(service: str, route: str):
    (found,) = [each for each in of_kind("HTTPRoute") if name_of(each) == route]
    endless = {
        match["path"]["value"]
        for rule in found["spec"]["rules"]
        if rule.get("timeouts") == {"request": "0s", "backendRequest": "0s"}
        for match in rule["matches"]
    }
    sources = (FOLDER.parents[1] / "services" / service / "src").rglob("*.py")
    streams = {
        path for source in sources for path in re.findall(r'"((?:/\w+)?/events)"', source.read_text(encoding="utf-8"))
    }
    assert streams
    assert endless == {f"/api/v1{path}" if path == "/bindings/events" else path for path in streams}


# --- what is watched, and what is the same elsewhere ---


def test_the_alerts_are_those_of_the_project():
    assert RULES.read_text(encoding="utf-8") == rules(), "run make contracts"
    (stored,) = of_kind("PrometheusRule")
    assert stored["spec"] == yaml.safe_load(ALERTS.read_text(encoding="utf-8"))


def test_prometheus_finds_jobs_of_the_names_that_alerts_go_by():
    services, broker, _ = sorted(
        of_kind("PodMonitor"),
        key=lambda each: ("services", "rabbitmq", "postgres").index(name_of(each).removeprefix("kinbind-")),
    )
    watched = {
        name_of(each) for each in of_kind("Deployment") if selects(services["spec"]["selector"], labels_of(each))
    }
    label = services["spec"]["jobLabel"]
    jobs = {labels_of(deployment(name))[label] for name in watched}
    jobs |= {
        relabeling["replacement"]
        for endpoint in broker["spec"]["podMetricsEndpoints"]
        for relabeling in endpoint["relabelings"]
    }
    scraped = yaml.safe_load((ALERTS.parent / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert jobs == {each["job_name"] for each in scraped}


def test_rabbitmq_is_set_up_as_the_cluster_that_is_tested():
    (broker,) = of_kind("RabbitmqCluster")
    tested = (FOLDER.parent / "compose" / "rabbitmq-cluster.conf").read_text(encoding="utf-8").splitlines()
    own = [line for line in tested if line and not line.startswith(("#", "cluster_formation."))]
    assert sorted(broker["spec"]["rabbitmq"]["additionalConfig"].splitlines()) == sorted(own)


def test_no_secret_is_in_the_files_and_the_readme_names_each_that_is_needed():
    assert of_kind("Secret") == []
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    made_by_operators = {"kinbind-postgres-superuser", "kinbind-rabbitmq-default-user"}
    for name, key in secrets_used() | set(secret_files(COMMAND["spec"]).values()):
        if name not in made_by_operators:
            assert f"`{name}`" in readme
            assert f"`{key}`" in readme, f"{name}: {key}"
