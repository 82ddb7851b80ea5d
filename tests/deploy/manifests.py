"""Rendered Kubernetes manifests, as Kubernetes would see them: objects, pods, what selects what."""

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

#: The first whose kustomize has replacements.
_KUBECTL_MIN = (1, 22)


def render(folder: Path) -> list[Object]:
    """The objects of a kustomization; a fresh copy each time, to be changed at will."""
    return copy.deepcopy(_rendered(folder))


@cache
def _rendered(folder: Path) -> list[Object]:
    need(_version() >= _KUBECTL_MIN, f"kubectl of at least {'.'.join(map(str, _KUBECTL_MIN))}")
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return load(done.stdout)


def _version() -> tuple[int, int]:
    """Version of the installed kubectl; (0, 0) if there is none."""
    if shutil.which("kubectl") is None:
        return 0, 0
    done = subprocess.run(
        ["kubectl", "version", "--client", "--output=json"], capture_output=True, check=True
    )
    version = json.loads(done.stdout)["clientVersion"]
    return int(version["major"]), int(re.match(r"\d+", version["minor"])[0])


def load(text: str) -> list[Object]:
    """The objects of a YAML stream."""
    return [one for one in yaml.safe_load_all(text) if one]


def walk(node: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every (path, key, value) below `node`."""
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
    wanted = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(one, labels) for one in expressions
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
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
    """One pod of a StatefulSet: what its template says, with what Kubernetes adds by ordinal."""

    workload: Object
    ordinal: int

    @property
    def name(self) -> str:
        return f"{self.workload['metadata']['name']}-{self.ordinal}"

    @property
    def ip(self) -> str:
        """A stand-in for the IP that Kubernetes would give it."""
        digest = crc32(self.name.encode())
        return f"10.{digest & 255}.{digest >> 8 & 255}.{self.ordinal + 1}"

    @property
    def namespace(self) -> str:
        return str(self.workload["metadata"].get("namespace", "default"))

    @property
    def labels(self) -> dict[str, str]:
        given = self.workload["spec"]["template"]["metadata"].get("labels", {})
        return {
            **given,
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
        return {one["name"]: one["containerPort"] for one in self.container.get("ports", [])}


class Manifests:
    """All objects of one installation."""

    def __init__(self, objects: Sequence[Object]) -> None:
        self.objects = objects

    def of(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] in kinds]

    def find(self, kind: str, name: str) -> Object | None:
        return next((one for one in self.of(kind) if one["metadata"]["name"] == name), None)

    @property
    def workloads(self) -> list[Object]:
        return self.of("StatefulSet", "Deployment", "DaemonSet", "Job")

    @property
    def pods(self) -> list[Pod]:
        return [
            Pod(one, ordinal)
            for one in self.of("StatefulSet")
            for ordinal in range(one["spec"].get("replicas", 1))
        ]

    def pods_of(self, workload: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.workload["metadata"]["name"] == workload]

    def selected_by(self, service: Object) -> list[Pod]:
        selector = service["spec"].get("selector")
        return [pod for pod in self.pods if selector and selects(selector, pod.labels)]

    def resolve(self, host: str, namespace: str) -> list[Pod]:
        """The pods behind a name inside the Kubernetes cluster, as its DNS has it, or an IP."""
        if named_by_ip := [pod for pod in self.pods if pod.ip == host]:
            return named_by_ip
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


def who(one: Object) -> str:
    """`Kind/name`, for findings."""
    return f"{one['kind']}/{one['metadata']['name']}"
