"""Rules of the network: Services find ports, and policies open the named paths only."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.deploy.manifests import Manifests, Object, Pod, selects, who
from tests.deploy.pod_settings import NoSettings, store_of

_NAME = "kubernetes.io/metadata.name"


class Place(NamedTuple):
    """Source or target of a call: a pod by its labels, or an address outside (no labels)."""

    name: str
    namespace: str
    labels: dict[str, str] | None


_ELSEWHERE = (
    Place("a client in Kubernetes", "apps", {"app": "client"}),
    Place("a client outside", "", None),
)
_DNS = Place("dns", "kube-system", {"k8s-app": "kube-dns"})

#: Allowed calls: source, target and port of the container.
_PATHS = {
    ("gateway", "metadata", "grpc"),
    ("gateway", "partition", "grpc"),
    ("partition", "metadata", "grpc"),
    ("partition", "partition", "grpc"),
    ("a client in Kubernetes", "gateway", "kafka"),
    ("a client in Kubernetes", "gateway", "kafka-external"),
    ("a client outside", "gateway", "kafka-external"),
}


def services(manifests: Manifests) -> Iterator[str]:
    """Each selects pods of one workload and leads to ports that they have."""
    for one in manifests.of("Service"):
        pods = manifests.selected_by(one)
        if len({pod.workload["metadata"]["name"] for pod in pods}) != 1:
            yield f"{who(one)}: selects {[pod.name for pod in pods]}"
        for port in one["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            for pod in pods:
                if target not in (*pod.ports, *pod.ports.values()):
                    yield f"{who(one)}: {pod.name} has no port {target}"


def paths(manifests: Manifests) -> Iterator[str]:
    """Network policies let the required calls through, and nothing else."""
    ours, ports = _ours(manifests)
    for source in (*ours, *_ELSEWHERE):
        for target in ours:
            for name, port in ports[target.name].items():
                is_wanted = (source.name, target.name, name) in _PATHS
                if _passes(manifests, source, target, port, "TCP") != is_wanted:
                    what = "does not reach" if is_wanted else "reaches"
                    yield f"{source.name} {what} {name} of {target.name}"
    for source in ours:
        for protocol in ("UDP", "TCP"):
            if not _passes(manifests, source, _DNS, 53, protocol):
                yield f"{source.name} cannot look up names over {protocol}"
        for place in _ELSEWHERE:
            if _passes(manifests, source, place, 443, "TCP"):
                yield f"{source.name} reaches {place.name}"


def etcd(manifests: Manifests) -> Iterator[str]:
    """If metadata is kept in an etcd, the metadata service reaches it; others never do."""
    endpoints = {one for pod in manifests.pods_of("metadata") for one in _endpoints(pod, manifests)}
    for endpoint in endpoints or {"etcd.etcd.svc:2379"}:
        host, _, port = endpoint.rpartition(":")
        there = Place("etcd", host.removesuffix(".svc").rpartition(".")[2], {"app": "etcd"})
        for source in _ours(manifests)[0]:
            is_wanted = bool(endpoints) and source.name == "metadata"
            if _passes(manifests, source, there, int(port), "TCP") != is_wanted:
                yield f"{source.name} {'does not reach' if is_wanted else 'reaches'} {endpoint}"


def _endpoints(pod: Pod, manifests: Manifests) -> tuple[str, ...]:
    try:
        return store_of(pod, manifests).endpoints
    except NoSettings:
        return ()  # `readable` reports it


def policies(manifests: Manifests) -> Iterator[str]:
    """Each is about pods that exist; every pod has one that denies whatever no other allows."""
    for pod in manifests.pods:
        if not any(_denies(one, pod.labels) for one in manifests.of("NetworkPolicy")):
            yield f"{pod.name}: no policy denies it everything else"
    for one in manifests.of("NetworkPolicy"):
        if not any(selects(one["spec"]["podSelector"], pod.labels) for pod in manifests.pods):
            yield f"{who(one)}: selects no pod"


def _denies(policy: Object, labels: dict[str, str]) -> bool:
    spec = policy["spec"]
    is_about_all = set(spec.get("policyTypes", [])) == {"Ingress", "Egress"}
    opens = spec.get("ingress") or spec.get("egress")
    return is_about_all and not opens and selects(spec["podSelector"], labels)


def _ours(manifests: Manifests) -> tuple[list[Place], dict[str, dict[str, int]]]:
    places, ports = [], {}
    for pod in manifests.pods:
        name = pod.workload["metadata"]["name"]
        if name not in ports:
            places.append(Place(name, pod.namespace, pod.labels))
            ports[name] = pod.ports
    return places, ports


def _passes(manifests: Manifests, source: Place, target: Place, port: int, protocol: str) -> bool:
    """Both ends must let it through. Elsewhere there are no policies that we know of."""
    leaves = _allows(manifests, "Egress", source, target, port, protocol)
    return leaves and _allows(manifests, "Ingress", target, source, port, protocol)


def _allows(
    manifests: Manifests, way: str, here: Place, there: Place, port: int, protocol: str
) -> bool:
    about = [
        one
        for one in manifests.of("NetworkPolicy")
        if here.labels is not None
        and one["metadata"].get("namespace") == here.namespace
        and way in one["spec"].get("policyTypes", ["Ingress"])
        and selects(one["spec"]["podSelector"], here.labels)
    ]
    peers, rules = ("from", "ingress") if way == "Ingress" else ("to", "egress")
    return not about or any(
        _has_port(rule, port, protocol) and _has_peer(rule.get(peers), there, here.namespace)
        for one in about
        for rule in one["spec"].get(rules, [])
    )


def _has_port(rule: Object, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        one.get("protocol", "TCP") == protocol and one.get("port", port) == port for one in ports
    )


def _has_peer(peers: list[Any] | None, there: Place, home: str) -> bool:
    return not peers or any(_is_peer(one, there, home) for one in peers)


def _is_peer(peer: Object, there: Place, home: str) -> bool:
    if "ipBlock" in peer:
        return there.labels is None
    if there.labels is None:
        return False
    namespaces = peer.get("namespaceSelector")
    is_there = (
        there.namespace == home
        if namespaces is None
        else selects(namespaces, {_NAME: there.namespace})
    )
    return is_there and selects(peer.get("podSelector"), there.labels)
