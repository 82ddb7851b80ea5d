"""Rules of the settings: the services take them, and their addresses lead somewhere."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway_svc.config import GatewaySettings, ListenerAddress, parse_listener
from metadata_svc.config import MetadataSettings
from metadata_svc.store_config import ETCD
from partition_svc.config import PartitionSettings
from tests.deploy.manifests import Manifests, Object, Pod, who
from tests.deploy.pod_settings import NoSettings, settings_of, store_of
from tests.deploy.rules.pods import drain_s

_GENERATED = re.compile(r".+-[a-z0-9]{10}")
#: Closing the stores, after the requests in flight.
_CLOSING_S = 10


def readable(manifests: Manifests) -> Iterator[str]:
    """Every pod starts: its service knows and takes each setting."""
    for pod in manifests.pods:
        try:
            settings_of(pod, manifests)
        except NoSettings as error:
            yield f"{pod.name}: {error}"


def config_maps(manifests: Manifests) -> Iterator[str]:
    """Each is of one service, rolls its pods when it changes, and holds nothing else."""
    users: Counter[str] = Counter()
    for one in manifests.workloads:
        container = one["spec"]["template"]["spec"]["containers"][0]
        users.update(source["configMapRef"]["name"] for source in container.get("envFrom", []))
    for one in manifests.of("ConfigMap"):
        name = one["metadata"]["name"]
        if users[name] != 1:
            yield f"{who(one)}: {users[name]} workloads read it"
        if not _GENERATED.fullmatch(name):
            yield f"{who(one)}: no hash in the name, so that a change would roll no pod"
        for key in one.get("data", {}):
            if not key.startswith("RINGLOG_"):
                yield f"{who(one)}: {key} is no setting"


def listening(manifests: Manifests) -> Iterator[str]:
    """A process listens on the ports that its container declares and its probes use."""
    for pod, own in _with_settings(manifests):
        ports = {"grpc": _host_and_port(own.grpc_listen)[1]}
        if isinstance(own, GatewaySettings):
            names = {"INTERNAL": "kafka", "EXTERNAL": "kafka-external"}
            ports |= {names.get(one.name, one.name): one.port for one in own.bound}
        if ports != pod.ports:
            yield f"{pod.name}: listens on {ports}, but declares {pod.ports}"
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = pod.container.get(name, {}).get("grpc", {}).get("port")
            if port != ports["grpc"]:
                yield f"{pod.name}: {name} asks port {port}, but gRPC is on {ports['grpc']}"


def addresses(manifests: Manifests) -> Iterator[str]:
    """metadata.address leads to metadata pods, an advertised address to the pod itself."""
    for pod, own in _with_settings(manifests):
        if isinstance(own, PartitionSettings):
            if own.member != pod.name:
                yield f"{pod.name}: member.name is {own.member}"
            host, port = _host_and_port(own.advertised_address)
            yield from _leads_to(manifests, pod, host, port, "grpc", "grpc.advertised.address")
        if not isinstance(own, MetadataSettings):
            yield from _metadata_address(manifests, pod, own.metadata_address)


def _metadata_address(manifests: Manifests, pod: Pod, text: str) -> Iterator[str]:
    named: list[str] = []
    for one in text.split(","):
        host, port = _host_and_port(one)
        found = manifests.resolve(host, pod.namespace)
        named += [each.name for each in found if each.ports.get("grpc") == port]
    if sorted(named) != sorted(each.name for each in manifests.pods_of("metadata")):
        yield f"{pod.name}: metadata.address {text} leads to {named}"


def brokers(manifests: Manifests) -> Iterator[str]:
    """Gateways have distinct identities, and their advertised addresses lead to them."""
    gateways = [
        (pod, own) for pod, own in _with_settings(manifests) if isinstance(own, GatewaySettings)
    ]
    advertised = [own.advertised("EXTERNAL") for _, own in gateways]
    is_one_address = len(set(advertised)) == 1 < len(advertised)
    if not is_one_address and len(set(advertised)) != len(advertised):
        yield f"some gateways share an EXTERNAL address, others do not: {advertised}"
    for pod, own in gateways:
        if own.node_id != pod.ordinal:
            yield f"{pod.name}: node.id is {own.node_id}"
        if not own.broker_rack:
            yield f"{pod.name}: no rack"
        inside, outside = own.advertised("INTERNAL"), own.advertised("EXTERNAL")
        if inside is None or outside is None:
            yield f"{pod.name}: advertises {own.advertised_listeners}"
            continue
        yield from _leads_to(manifests, pod, inside.host, inside.port, "kafka", "INTERNAL")
        entries = [one for one in manifests.of("Service") if _lets_in(manifests, one, pod, outside)]
        wanted = {each.name for each, _ in gateways} if is_one_address else {pod.name}
        if [{each.name for each in manifests.selected_by(one)} for one in entries] != [wanted]:
            yield f"{pod.name}: EXTERNAL {outside.host}:{outside.port} is not {sorted(wanted)}"


def _lets_in(manifests: Manifests, service: Object, pod: Pod, outside: ListenerAddress) -> bool:
    """True if a Service lets outside clients reach a pod's EXTERNAL at the advertised port."""
    key = {"NodePort": "nodePort", "LoadBalancer": "port"}.get(service["spec"].get("type", ""))
    return any(
        key is not None
        and one.get(key) == outside.port
        and one.get("targetPort") in ("kafka-external", pod.ports.get("kafka-external"))
        and pod.name in {each.name for each in manifests.selected_by(service)}
        for one in service["spec"]["ports"]
    )


def data(manifests: Manifests) -> Iterator[str]:
    """Stateful pods keep their data on a volume or in an etcd; stateless pods have neither."""
    for pod, own in _with_settings(manifests):
        claims = pod.workload["spec"].get("volumeClaimTemplates", [])
        names = {one["metadata"]["name"] for one in claims}
        mounts = pod.container.get("volumeMounts", [])
        paths = [Path(one["mountPath"]) for one in mounts if one["name"] in names]
        if isinstance(own, GatewaySettings) or _is_on_etcd(pod, own, manifests):
            if names:
                yield f"{pod.name}: claims {sorted(names)} and keeps nothing there"
        elif not any(Path(own.data_dir).is_relative_to(path) for path in paths):
            yield f"{pod.name}: data.dir {own.data_dir} is on no volume"
        elif isinstance(own, MetadataSettings) and pod.ordinal > 0:
            yield f"{pod.name}: is another cluster than metadata-0, each on a disk of its own"


def _is_on_etcd(pod: Pod, own: object, manifests: Manifests) -> bool:
    return isinstance(own, MetadataSettings) and store_of(pod, manifests).store == ETCD


def draining(manifests: Manifests) -> Iterator[str]:
    """Kubernetes waits longer than the process drains. Gateways stop being found before."""
    for pod, own in _with_settings(manifests):
        needed = getattr(own, "shutdown_grace_ms", 0) / 1000 + _CLOSING_S
        if drain_s(pod) < needed:
            yield f"{pod.name}: has {drain_s(pod)} s to drain, but may need {needed} s"
        hook = pod.container.get("lifecycle", {}).get("preStop")
        if isinstance(own, GatewaySettings) and not (hook and set(hook) == {"sleep"}):
            yield f"{pod.name}: no pause before it stops to take connections"


def _leads_to(
    manifests: Manifests, pod: Pod, host: str, port: int, name: str, what: str
) -> Iterator[str]:
    found = [one.name for one in manifests.resolve(host, pod.namespace)]
    if found != [pod.name] or port != pod.ports.get(name):
        yield f"{pod.name}: {what} {host}:{port} leads to {found}"


def _with_settings(manifests: Manifests) -> Iterator[tuple[Pod, Any]]:
    for pod in manifests.pods:
        try:
            yield pod, settings_of(pod, manifests)
        except NoSettings:
            continue  # `readable` reports it


def _host_and_port(text: str) -> tuple[str, int]:
    listener = parse_listener(f"GRPC://{text}") if text else ListenerAddress("GRPC", "", 0)
    return listener.host, listener.port
