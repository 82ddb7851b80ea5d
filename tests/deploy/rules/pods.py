"""Rules of pods: discovery, scheduling, probes, termination and confinement."""

from collections.abc import Iterator
from typing import Any

from tests.deploy.manifests import Manifests, Object, Pod, identify, selects

_HANDLERS = ("exec", "grpc", "httpGet", "sleep", "tcpSocket")
_HEALTH = {"startupProbe": "", "livenessProbe": "", "readinessProbe": "readiness"}
#: RocksDB may have to read a long write-ahead log at the start.
_STARTUP_S_MIN = 60


def workloads(manifests: Manifests) -> Iterator[str]:
    """Three StatefulSets, which start all pods at once behind a headless Service of their name."""
    names = {workload["metadata"]["name"] for workload in manifests.of("StatefulSet")}
    if names != {"metadata", "partition", "gateway"}:
        yield f"the StatefulSets are {sorted(names)}"
    for workload in manifests.of("StatefulSet"):
        spec, labels = workload["spec"], workload["spec"]["template"]["metadata"].get("labels", {})
        if not selects(spec["selector"], labels):
            yield f"{identify(workload)}: the selector does not match the labels of its pods"
        if spec.get("podManagementPolicy") != "Parallel":
            yield f"{identify(workload)}: podManagementPolicy is not Parallel"
        if not spec.get("replicas"):
            yield f"{identify(workload)}: no replicas"
        others = [item for item in manifests.of("StatefulSet") if item is not workload]
        if any(selects(item["spec"]["selector"], labels) for item in others):
            yield f"{identify(workload)}: another StatefulSet selects its pods"
        yield from _headless(manifests, workload)


def _headless(manifests: Manifests, workload: Object) -> Iterator[str]:
    name = workload["spec"].get("serviceName", "")
    service = manifests.find("Service", name)
    if service is None:
        yield f"{identify(workload)}: serviceName {name!r} is no Service"
        return
    if service["spec"].get("clusterIP") != "None":
        yield f"{identify(workload)}: its {identify(service)} is not headless"
    if service["spec"].get("publishNotReadyAddresses") is not True:
        yield f"{identify(workload)}: its {identify(service)} hides pods that are not ready"
    if {pod.name for pod in manifests.selected_by(service)} != {
        pod.name for pod in manifests.pods_of(workload["metadata"]["name"])
    }:
        yield f"{identify(workload)}: its {identify(service)} does not select exactly its pods"


def volumes(manifests: Manifests) -> Iterator[str]:
    """Claimed volumes outlive the pod and the StatefulSet; all volumes are mounted."""
    for workload in manifests.of("StatefulSet"):
        spec = workload["spec"]
        claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        retention = spec.get("persistentVolumeClaimRetentionPolicy")
        if claims and retention != {"whenDeleted": "Retain", "whenScaled": "Retain"}:
            yield f"{identify(workload)}: volumes are not retained"
        known = claims | {volume["name"] for volume in spec["template"]["spec"].get("volumes", [])}
        mounted = [mount["name"] for mount in _container(workload).get("volumeMounts", [])]
        yield from (
            f"{identify(workload)}: mounts {name!r}, no volume"
            for name in mounted
            if name not in known
        )
        yield from (
            f"{identify(workload)}: {name!r} is not mounted"
            for name in known
            if name not in mounted
        )


def probes(manifests: Manifests) -> Iterator[str]:
    """Probes call grpc.health.v1 on a declared port: the service "" or "readiness"."""
    for workload in manifests.of("StatefulSet"):
        container = _container(workload)
        ports = {port["containerPort"] for port in container.get("ports", [])}
        for name, service in _HEALTH.items():
            probe = container.get(name, {})
            if [key for key in _HANDLERS if key in probe] != ["grpc"]:
                yield f"{identify(workload)}: {name} is not a grpc probe"
                continue
            used_service, port = probe["grpc"].get("service", ""), probe["grpc"]["port"]
            if used_service != service:
                yield f"{identify(workload)}: {name} checks service {used_service!r}"
            if port not in ports:
                yield f"{identify(workload)}: {name} uses port {port}, which is not declared"
        start = container.get("startupProbe", {})
        if start.get("periodSeconds", 10) * start.get("failureThreshold", 3) < _STARTUP_S_MIN:
            yield f"{identify(workload)}: startupProbe gives up within {_STARTUP_S_MIN} s"


def confinement(manifests: Manifests) -> Iterator[str]:
    """Pods meet pod security "restricted" and more; memory is limited, CPU time is not."""
    for workload in manifests.workloads:
        spec, container = workload["spec"]["template"]["spec"], _container(workload)
        if len(spec["containers"]) != 1 or spec.get("initContainers"):
            yield f"{identify(workload)}: more than one container"
        context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        resources = container.get("resources", {})
        requirements = {
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
        yield from (
            f"{identify(workload)}: needs {what}"
            for what, is_met in requirements.items()
            if not is_met
        )


def spreading(manifests: Manifests) -> Iterator[str]:
    """Pods of a StatefulSet prefer different nodes and are spread over zones."""
    for workload in manifests.of("StatefulSet"):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        spec = workload["spec"]["template"]["spec"]
        terms = [term for term in _anti_affinity(spec) if selects(term["labelSelector"], labels)]
        if "kubernetes.io/hostname" not in {term["topologyKey"] for term in terms}:
            yield f"{identify(workload)}: no anti-affinity of its pods on a node"
        zones = [
            term
            for term in spec.get("topologySpreadConstraints", [])
            if term["topologyKey"] == "topology.kubernetes.io/zone"
            and selects(term["labelSelector"], labels)
        ]
        if [term["whenUnsatisfiable"] for term in zones] != ["ScheduleAnyway"]:
            yield f"{identify(workload)}: not spread over zones"
        for pod in manifests.pods:
            if pod.workload is not workload and any(
                selects(term["labelSelector"], pod.labels) for term in [*terms, *zones]
            ):
                yield f"{identify(workload)}: keeps apart from {pod.name} too"


def _anti_affinity(spec: Object) -> list[Any]:
    affinity = spec.get("affinity", {}).get("podAntiAffinity", {})
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution", [])
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
    return [*required, *(term["podAffinityTerm"] for term in preferred)]


def disruptions(manifests: Manifests) -> Iterator[str]:
    """Each StatefulSet has one budget, which allows one pod to be evicted at a time."""
    budgets = manifests.of("PodDisruptionBudget")
    for workload in manifests.of("StatefulSet"):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        specs = [item["spec"] for item in budgets if selects(item["spec"]["selector"], labels)]
        if [spec.get("maxUnavailable") for spec in specs] != [1]:
            yield f"{identify(workload)}: does not have exactly one PodDisruptionBudget of one pod"
    for budget in budgets:
        if not any(selects(budget["spec"]["selector"], pod.labels) for pod in manifests.pods):
            yield f"{identify(budget)}: selects no pod"


def _container(workload: Object) -> Object:
    return dict(workload["spec"]["template"]["spec"]["containers"][0])


def drain_s(pod: Pod) -> int:
    """Returns the seconds from SIGTERM to SIGKILL; the preStop hook has used up the others."""
    hook = pod.container.get("lifecycle", {}).get("preStop", {})
    return int(pod.spec["terminationGracePeriodSeconds"]) - int(
        hook.get("sleep", {}).get("seconds", 0)
    )
