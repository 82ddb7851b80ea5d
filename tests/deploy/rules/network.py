"""Rules of the network: Services lead to ports, and policies allow the listed paths only."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.deploy.manifests import Manifests, Object, Pod, identify, selects
from tests.deploy.pod_settings import NoSettings, store_of

_NAME = "kubernetes.io/metadata.name"


class Peer(NamedTuple):
    """Source or target of a call: a pod by its labels, or an external address (no labels)."""

    name: str
    namespace: str
    labels: dict[str, str] | None


_CLIENTS = (
    Peer("a client in Kubernetes", "apps", {"app": "client"}),
    Peer("a client outside", "", None),
)
_DNS = Peer("dns", "kube-system", {"k8s-app": "kube-dns"})

#: Allowed calls: source, target, and port of the container.
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
    """Each Service selects pods of one workload and leads to ports that they have."""
    for service in manifests.of("Service"):
        pods = manifests.selected_by(service)
        if len({pod.workload["metadata"]["name"] for pod in pods}) != 1:
            yield f"{identify(service)}: selects {[pod.name for pod in pods]}"
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            for pod in pods:
                if target not in (*pod.ports, *pod.ports.values()):
                    yield f"{identify(service)}: {pod.name} has no port {target}"


def paths(manifests: Manifests) -> Iterator[str]:
    """Network policies allow the required calls, and nothing else."""
    peers, ports = _services(manifests)
    for source in (*peers, *_CLIENTS):
        for target in peers:
            for name, port in ports[target.name].items():
                is_allowed = (source.name, target.name, name) in _PATHS
                if _passes(manifests, source, target, port, "TCP") != is_allowed:
                    verb = "does not reach" if is_allowed else "reaches"
                    yield f"{source.name} {verb} {name} of {target.name}"
    for source in peers:
        for protocol in ("UDP", "TCP"):
            if not _passes(manifests, source, _DNS, 53, protocol):
                yield f"{source.name} cannot look up names over {protocol}"
        for client in _CLIENTS:
            if _passes(manifests, source, client, 443, "TCP"):
                yield f"{source.name} reaches {client.name}"


def etcd(manifests: Manifests) -> Iterator[str]:
    """If metadata is stored in etcd, the metadata service reaches it; other services never do."""
    endpoints = {
        endpoint for pod in manifests.pods_of("metadata") for endpoint in _endpoints(pod, manifests)
    }
    for endpoint in endpoints or {"etcd.etcd.svc:2379"}:
        host, _, port = endpoint.rpartition(":")
        target = Peer("etcd", host.removesuffix(".svc").rpartition(".")[2], {"app": "etcd"})
        for source in _services(manifests)[0]:
            is_allowed = bool(endpoints) and source.name == "metadata"
            if _passes(manifests, source, target, int(port), "TCP") != is_allowed:
                yield f"{source.name} {'does not reach' if is_allowed else 'reaches'} {endpoint}"


def _endpoints(pod: Pod, manifests: Manifests) -> tuple[str, ...]:
    try:
        return store_of(pod, manifests).endpoints
    except NoSettings:
        return ()  # `readable` reports it


def policies(manifests: Manifests) -> Iterator[str]:
    """Each policy selects existing pods; each pod has a policy that denies all other traffic."""
    for pod in manifests.pods:
        if not any(_denies(policy, pod.labels) for policy in manifests.of("NetworkPolicy")):
            yield f"{pod.name}: no policy denies it everything else"
    for policy in manifests.of("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        if not any(selects(selector, pod.labels) for pod in manifests.pods):
            yield f"{identify(policy)}: selects no pod"


def _denies(policy: Object, labels: dict[str, str]) -> bool:
    spec = policy["spec"]
    has_both_types = set(spec.get("policyTypes", [])) == {"Ingress", "Egress"}
    allows = spec.get("ingress") or spec.get("egress")
    return has_both_types and not allows and selects(spec["podSelector"], labels)


def _services(manifests: Manifests) -> tuple[list[Peer], dict[str, dict[str, int]]]:
    peers, ports = [], {}
    for pod in manifests.pods:
        name = pod.workload["metadata"]["name"]
        if name not in ports:
            peers.append(Peer(name, pod.namespace, pod.labels))
            ports[name] = pod.ports
    return peers, ports


def _passes(manifests: Manifests, source: Peer, target: Peer, port: int, protocol: str) -> bool:
    """True if the policies of both ends allow it. Clients are assumed to have no policies."""
    is_sent = _allows(manifests, "Egress", source, target, port, protocol)
    return is_sent and _allows(manifests, "Ingress", target, source, port, protocol)


def _allows(
    manifests: Manifests, direction: str, pod: Peer, other: Peer, port: int, protocol: str
) -> bool:
    policies = [
        policy
        for policy in manifests.of("NetworkPolicy")
        if pod.labels is not None
        and policy["metadata"].get("namespace") == pod.namespace
        and direction in policy["spec"].get("policyTypes", ["Ingress"])
        and selects(policy["spec"]["podSelector"], pod.labels)
    ]
    peers, rules = ("from", "ingress") if direction == "Ingress" else ("to", "egress")
    return not policies or any(
        _has_port(rule, port, protocol) and _has_peer(rule.get(peers), other, pod.namespace)
        for policy in policies
        for rule in policy["spec"].get(rules, [])
    )


def _has_port(rule: Object, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        item.get("protocol", "TCP") == protocol and item.get("port", port) == port for item in ports
    )


def _has_peer(peers: list[Any] | None, other: Peer, namespace: str) -> bool:
    return not peers or any(_is_peer(peer, other, namespace) for peer in peers)


def _is_peer(peer: Object, other: Peer, namespace: str) -> bool:
    if "ipBlock" in peer:
        return other.labels is None
    if other.labels is None:
        return False
    namespaces = peer.get("namespaceSelector")
    is_in_namespace = (
        other.namespace == namespace
        if namespaces is None
        else selects(namespaces, {_NAME: other.namespace})
    )
    return is_in_namespace and selects(peer.get("podSelector"), other.labels)
