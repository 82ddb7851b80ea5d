"""Rendered Kubernetes manifests: objects, pods, selectors and names, as Kubernetes reads them."""

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import yaml

from tests.support.tools import need

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "deploy" / "k8s"

Object = dict[str, Any]

#: The first version whose kustomize has replacements.
_KUBECTL_MIN = (1, 22)


def render(folder: Path) -> list[Object]:
    """Renders a kustomization; returns a copy of its objects that the caller may change."""
    return copy.deepcopy(_rendered(folder))


@cache
def _rendered(folder: Path) -> list[Object]:
    need(_version() >= _KUBECTL_MIN, f"kubectl of at least {'.'.join(map(str, _KUBECTL_MIN))}")
    completed = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert not completed.returncode, completed.stderr
    return load(completed.stdout)


def _version() -> tuple[int, int]:
    """Version of the installed kubectl; (0, 0) if there is none."""
    if shutil.which("kubectl") is None:
        return 0, 0
    completed = subprocess.run(
        ["kubectl", "version", "--client", "--output=json"], capture_output=True, check=True
    )
    version = json.loads(completed.stdout)["clientVersion"]
    return int(version["major"]), int(re.match(r"\d+", version["minor"])[0])


def load(text: str) -> list[Object]:
    """Parses the objects of a YAML stream."""
    return [item for item in yaml.safe_load_all(text) if item]


def walk(node: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yields (path, key, value) of every mapping entry below `node`."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{path}.{key}", key, value
            yield from walk(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}[{index}]")


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """True if a LabelSelector, or a plain map of labels, selects an object with `labels`."""
    selector = selector or {}
    required = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in required.items()) and all(
        _matches(expression, labels) for expression in expressions
    )


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None


@dataclass(frozen=True)
class Pod:
    """One pod of a StatefulSet: its template, with the fields that Kubernetes adds by ordinal."""

    workload: Object
    ordinal: int

    @property
    def name(self) -> str:
        return f"{self.workload['metadata']['name']}-{self.ordinal}"

    @property
    def ip(self) -> str:
        """Fake IP, unique by name, in place of the one that Kubernetes would assign."""
        digest = crc32(self.name.encode())
        return f"10.{digest & 255}.{digest >> 8 & 255}.{self.ordinal + 1}"

    @property
    def namespace(self) -> str:
        return str(self.workload["metadata"].get("namespace", "default"))

    @property
    def labels(self) -> dict[str, str]:
        labels = self.workload["spec"]["template"]["metadata"].get("labels", {})
        return {
            **labels,
            "apps.kubernetes.io/pod-index": str(self.ordinal),
            "statefulset.kubernetes.io/pod-name": self.name,
        }

    @property
    def spec(self) -> Object:
        return dict(self.workload["spec"]["template"]["spec"])

    @property
    def container(self) -> Object:
        return dict(self.spec["containers"][0])

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}


class Manifests:
    """All objects of one installation."""

    def __init__(self, objects: Sequence[Object]) -> None:
        self.objects = objects

    def of(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] in kinds]

    def find(self, kind: str, name: str) -> Object | None:
        return next((item for item in self.of(kind) if item["metadata"]["name"] == name), None)

    @property
    def workloads(self) -> list[Object]:
        return self.of("StatefulSet", "Deployment", "DaemonSet", "Job")

    @property
    def pods(self) -> list[Pod]:
        return [
            Pod(workload, ordinal)
            for workload in self.of("StatefulSet")
            for ordinal in range(workload["spec"].get("replicas", 1))
        ]

    def pods_of(self, workload: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.workload["metadata"]["name"] == workload]

    def selected_by(self, service: Object) -> list[Pod]:
        selector = service["spec"].get("selector")
        return [pod for pod in self.pods if selector and selects(selector, pod.labels)]

    def resolve(self, host: str, namespace: str) -> list[Pod]:
        """Returns the pods behind an IP or a DNS name of the Kubernetes cluster."""
        if pods_by_ip := [pod for pod in self.pods if pod.ip == host]:
            return pods_by_ip
        match = re.fullmatch(r"(?:([a-z0-9-]+)\.)??([a-z0-9-]+)(?:\.([a-z0-9-]+)\.svc)?", host)
        if match is None or (match[3] or namespace) != namespace:
            return []
        service = self.find("Service", match[2])
        pods = self.selected_by(service) if service else []
        if match[1] is None:
            return pods
        is_headless = service is not None and service["spec"].get("clusterIP") == "None"
        return [
            pod
            for pod in pods
            if is_headless
            and pod.name == match[1]
            and pod.workload["spec"].get("serviceName") == match[2]
        ]


def identify(item: Object) -> str:
    """Returns `Kind/name`, for findings."""
    return f"{item['kind']}/{item['metadata']['name']}"
