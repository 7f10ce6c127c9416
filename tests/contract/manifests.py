"""deploy/kubernetes as Kubernetes would get it: rendered by the kubectl of the environment, and read.

Also the flows that its network policies let through: one, from A to B, has to leave A and to enter B
(https://kubernetes.io/docs/concepts/services-networking/network-policies/).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
#: The parts of an installation, in the order in which they are applied.
PARTS = ("servers", "before", "services", "after")
WORKLOADS = ("Deployment", "Job")

Manifest = dict[str, Any]


@cache
def rendered(part: str) -> tuple[Manifest, ...]:
    """What ``kubectl apply -k`` would send of a part of the example."""
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"
    done = subprocess.run(  # noqa: S603 - our own files
        [kubectl, "kustomize", FOLDER / "example" / part], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def everything() -> list[Manifest]:
    """All parts; what two of them have is there twice."""
    return [manifest for part in PARTS for manifest in rendered(part)]


def of_kind(*kinds: str, part: str | None = None) -> list[Manifest]:
    """Those of these kinds, of one part or of all."""
    return [manifest for manifest in (rendered(part) if part else everything()) if manifest["kind"] in kinds]


def name_of(manifest: Manifest) -> str:
    """Its name."""
    return str(manifest["metadata"]["name"])


def container_of(workload: Manifest) -> Manifest:
    """The one container of a Deployment or Job."""
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(container)


def labels_of(workload: Manifest) -> dict[str, str]:
    """Those of its pods."""
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def environment_of(workload: Manifest, part: str) -> dict[str, str]:
    """Its variables that are not from a Secret, those of its ConfigMaps among them."""
    maps = {name_of(each): each["data"] for each in of_kind("ConfigMap", part=part)}
    container = container_of(workload)
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]
    return found | {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}


def secret_files(pod: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The files under /run/secrets/kinbind in a pod, each with the name of its Secret and the key there."""
    sources = [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]
    return {
        f"/run/secrets/kinbind/{item['path']}": (source["secret"]["name"], item["key"])
        for source in sources
        for item in source["secret"]["items"]
    }


def secrets_used() -> set[tuple[str, str]]:
    """The name and key of every Secret that anything refers to."""
    used = {found for each in of_kind(*WORKLOADS) for found in secret_files(each["spec"]["template"]["spec"]).values()}
    for workload in of_kind(*WORKLOADS):
        references = [each.get("valueFrom", {}).get("secretKeyRef") for each in container_of(workload).get("env", [])]
        used |= {(reference["name"], reference["key"]) for reference in references if reference}
    for authentication in of_kind("TriggerAuthentication"):
        used |= {(each["name"], each["key"]) for each in authentication["spec"]["secretTargetRef"]}
    return used


@dataclass(frozen=True)
class Peer:
    """A group of pods of ours with one set of labels, a namespace of somebody else, or the world outside."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    namespace: str = ""
    ports: Mapping[str, int] = field(default_factory=dict, hash=False)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes in what has these labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    return all(labels.get(each["key"]) in each["values"] for each in expressions)


def flows(policies: Iterable[Manifest], peers: Iterable[Peer]) -> set[tuple[str, str, str]]:
    """Who reaches whom on which ports, of all that the policies say; (from, to, port or first-last)."""
    policies, peers = list(policies), list(peers)
    return {
        (source.name, target.name, port)
        for source in peers
        for target in peers
        for port in _let_through(policies, source, target, "egress") & _let_through(policies, source, target, "ingress")
    }


def _let_through(policies: list[Manifest], source: Peer, target: Peer, way: str) -> set[str]:
    """The ports that one side lets through. Pods of others are theirs to guard: they let everything through."""
    here, there = (source, target) if way == "egress" else (target, source)
    side = "to" if way == "egress" else "from"
    mine = [
        each["spec"] for each in policies if not here.namespace and selects(each["spec"]["podSelector"], here.labels)
    ]
    if not any(way.capitalize() in each["policyTypes"] for each in mine):
        return set(_all_ports(policies, target))
    rules = [rule for each in mine for rule in each.get(way, [])]
    return {
        port
        for rule in rules
        if any(_is_meant(peer, there) for peer in rule[side])
        for port in _ports(rule["ports"], target)
    }


def _is_meant(peer: Mapping[str, Any], there: Peer) -> bool:
    if "ipBlock" in peer:
        return there.name == "world"
    if "namespaceSelector" in peer:
        return selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": there.namespace})
    return not there.namespace and selects(peer["podSelector"], there.labels)


def _all_ports(policies: Iterable[Manifest], target: Peer) -> Iterator[str]:
    for policy in policies:
        for rule in (*policy["spec"].get("egress", []), *policy["spec"].get("ingress", [])):
            yield from _ports(rule["ports"], target)


def _ports(ports: Iterable[Mapping[str, Any]], target: Peer) -> Iterator[str]:
    """Numbers; a name means a port of the target's pods, or nothing where they have none of that name."""
    for each in ports:
        number = target.ports.get(each["port"]) if isinstance(each["port"], str) else each["port"]
        if number is not None:
            yield f"{number}-{each['endPort']}" if "endPort" in each else str(number)
