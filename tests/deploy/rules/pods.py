"""Rules of the pods: how they are found, kept apart, probed, stopped and confined."""

from collections.abc import Iterator
from typing import Any

from tests.deploy.manifests import Manifests, Object, Pod, selects, who

_HANDLERS = ("exec", "grpc", "httpGet", "sleep", "tcpSocket")
_HEALTH = {"startupProbe": "", "livenessProbe": "", "readinessProbe": "readiness"}
#: Less is no generous start: RocksDB may have a long write-ahead log to read.
_STARTUP_S_MIN = 60


def workloads(manifests: Manifests) -> Iterator[str]:
    """Three StatefulSets, which start all pods at once behind a headless Service of their name."""
    found = {one["metadata"]["name"] for one in manifests.of("StatefulSet")}
    if found != {"metadata", "partition", "gateway"}:
        yield f"the StatefulSets are {sorted(found)}"
    for one in manifests.of("StatefulSet"):
        spec, labels = one["spec"], one["spec"]["template"]["metadata"].get("labels", {})
        if not selects(spec["selector"], labels):
            yield f"{who(one)}: the selector does not match the labels of its pods"
        if spec.get("podManagementPolicy") != "Parallel":
            yield f"{who(one)}: podManagementPolicy is not Parallel"
        if not spec.get("replicas"):
            yield f"{who(one)}: no replicas"
        others = [two for two in manifests.of("StatefulSet") if two is not one]
        if any(selects(two["spec"]["selector"], labels) for two in others):
            yield f"{who(one)}: another StatefulSet selects its pods"
        yield from _headless(manifests, one)


def _headless(manifests: Manifests, one: Object) -> Iterator[str]:
    service = manifests.find("Service", one["spec"].get("serviceName", ""))
    if service is None:
        yield f"{who(one)}: serviceName {one['spec'].get('serviceName')!r} is no Service"
        return
    if service["spec"].get("clusterIP") != "None":
        yield f"{who(one)}: its {who(service)} is not headless"
    if service["spec"].get("publishNotReadyAddresses") is not True:
        yield f"{who(one)}: its {who(service)} hides pods that are not ready"
    if {pod.name for pod in manifests.selected_by(service)} != {
        pod.name for pod in manifests.pods_of(one["metadata"]["name"])
    }:
        yield f"{who(one)}: its {who(service)} does not select exactly its pods"


def volumes(manifests: Manifests) -> Iterator[str]:
    """A volume that is claimed outlives both the pod and the StatefulSet; all are mounted."""
    for one in manifests.of("StatefulSet"):
        spec = one["spec"]
        claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        kept = spec.get("persistentVolumeClaimRetentionPolicy")
        if claims and kept != {"whenDeleted": "Retain", "whenScaled": "Retain"}:
            yield f"{who(one)}: volumes are not retained"
        known = claims | {volume["name"] for volume in spec["template"]["spec"].get("volumes", [])}
        mounted = [mount["name"] for mount in _container(one).get("volumeMounts", [])]
        yield from (
            f"{who(one)}: mounts {name!r}, no volume" for name in mounted if name not in known
        )
        yield from (f"{who(one)}: {name!r} is not mounted" for name in known if name not in mounted)


def probes(manifests: Manifests) -> Iterator[str]:
    """grpc.health.v1 on a declared port: "" for start and life, "readiness" for work."""
    for one in manifests.of("StatefulSet"):
        container = _container(one)
        ports = {port["containerPort"] for port in container.get("ports", [])}
        for name, service in _HEALTH.items():
            probe = container.get(name, {})
            if [key for key in _HANDLERS if key in probe] != ["grpc"]:
                yield f"{who(one)}: {name} is not a grpc probe"
                continue
            if probe["grpc"].get("service", "") != service:
                yield f"{who(one)}: {name} asks for {probe['grpc'].get('service')!r}"
            if probe["grpc"]["port"] not in ports:
                yield f"{who(one)}: {name} asks port {probe['grpc']['port']}, which is not declared"
        start = container.get("startupProbe", {})
        if start.get("periodSeconds", 10) * start.get("failureThreshold", 3) < _STARTUP_S_MIN:
            yield f"{who(one)}: startupProbe gives up within {_STARTUP_S_MIN} s"


def confinement(manifests: Manifests) -> Iterator[str]:
    """Pod security "restricted" and more; memory is limited, processor time is not."""
    for one in manifests.workloads:
        spec, container = one["spec"]["template"]["spec"], _container(one)
        if len(spec["containers"]) != 1 or spec.get("initContainers"):
            yield f"{who(one)}: more than one container"
        context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        resources = container.get("resources", {})
        wanted = {
            "enableServiceLinks: false": spec.get("enableServiceLinks") is False,
            "automountServiceAccountToken: false": spec.get("automountServiceAccountToken")
            is False,
            "runAsNonRoot": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
            "fsGroup": context.get("fsGroup", 0) > 0,
            "readOnlyRootFilesystem": context.get("readOnlyRootFilesystem") is True,
            "allowPrivilegeEscalation: false": context.get("allowPrivilegeEscalation") is False,
            "not privileged": not context.get("privileged"),
            "no host namespaces": not any(
                spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")
            ),
            "capabilities.drop: [ALL]": context.get("capabilities") == {"drop": ["ALL"]},
            "seccompProfile": context.get("seccompProfile") == {"type": "RuntimeDefault"},
            "requests": {"cpu", "memory"} <= set(resources.get("requests", {})),
            "a memory limit and no cpu limit": set(resources.get("limits", {})) == {"memory"},
            "an image with a tag": ":" in container["image"].rpartition("/")[2],
        }
        yield from (f"{who(one)}: needs {what}" for what, holds in wanted.items() if not holds)


def spreading(manifests: Manifests) -> Iterator[str]:
    """Not two of a kind on a node where there is another, and spread over zones."""
    for one in manifests.of("StatefulSet"):
        labels = one["spec"]["template"]["metadata"]["labels"]
        spec = one["spec"]["template"]["spec"]
        terms = [term for term in _anti_affinity(spec) if selects(term["labelSelector"], labels)]
        if "kubernetes.io/hostname" not in {term["topologyKey"] for term in terms}:
            yield f"{who(one)}: no anti-affinity of its pods on a node"
        zones = [
            term
            for term in spec.get("topologySpreadConstraints", [])
            if term["topologyKey"] == "topology.kubernetes.io/zone"
            and selects(term["labelSelector"], labels)
        ]
        if [term["whenUnsatisfiable"] for term in zones] != ["ScheduleAnyway"]:
            yield f"{who(one)}: not spread over zones"
        for pod in manifests.pods:
            if pod.workload is not one and any(
                selects(term["labelSelector"], pod.labels) for term in [*terms, *zones]
            ):
                yield f"{who(one)}: keeps apart from {pod.name} too"


def _anti_affinity(spec: Object) -> list[Any]:
    found = spec.get("affinity", {}).get("podAntiAffinity", {})
    preferred = found.get("preferredDuringSchedulingIgnoredDuringExecution", [])
    required = found.get("requiredDuringSchedulingIgnoredDuringExecution", [])
    return [*required, *(one["podAffinityTerm"] for one in preferred)]


def disruptions(manifests: Manifests) -> Iterator[str]:
    """One budget for each StatefulSet: one pod at a time."""
    budgets = manifests.of("PodDisruptionBudget")
    for one in manifests.of("StatefulSet"):
        labels = one["spec"]["template"]["metadata"]["labels"]
        found = [two["spec"] for two in budgets if selects(two["spec"]["selector"], labels)]
        if [spec.get("maxUnavailable") for spec in found] != [1]:
            yield f"{who(one)}: has not exactly one PodDisruptionBudget of one pod"
    for budget in budgets:
        if not any(selects(budget["spec"]["selector"], pod.labels) for pod in manifests.pods):
            yield f"{who(budget)}: selects no pod"


def _container(workload: Object) -> Object:
    return dict(workload["spec"]["template"]["spec"]["containers"][0])


def drain_s(pod: Pod) -> int:
    """Seconds that a pod has from SIGTERM on: what the preStop hook takes is gone."""
    hook = pod.container.get("lifecycle", {}).get("preStop", {})
    return int(pod.spec["terminationGracePeriodSeconds"]) - int(
        hook.get("sleep", {}).get("seconds", 0)
    )
