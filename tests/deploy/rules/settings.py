"""Rules of settings: the services accept them, and addresses lead to the right pods."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway_svc.config import GatewaySettings, ListenerAddress, parse_listener
from metadata_svc.config import MetadataSettings
from metadata_svc.store_config import ETCD
from partition_svc.config import PartitionSettings
from tests.deploy.manifests import Manifests, Object, Pod, identify
from tests.deploy.pod_settings import NoSettings, settings_of, store_of
from tests.deploy.rules.pods import drain_s

_GENERATED = re.compile(r".+-[a-z0-9]{10}")
#: Time to close the stores after the requests in flight.
_CLOSING_S = 10


def readable(manifests: Manifests) -> Iterator[str]:
    """Every service knows and accepts each setting of its pods."""
    for pod in manifests.pods:
        try:
            settings_of(pod, manifests)
        except NoSettings as error:
            yield f"{pod.name}: {error}"


def config_maps(manifests: Manifests) -> Iterator[str]:
    """Each ConfigMap holds settings of one service, whose pods restart when it changes."""
    users: Counter[str] = Counter()
    for workload in manifests.workloads:
        container = workload["spec"]["template"]["spec"]["containers"][0]
        users.update(source["configMapRef"]["name"] for source in container.get("envFrom", []))
    for config_map in manifests.of("ConfigMap"):
        name = config_map["metadata"]["name"]
        if users[name] != 1:
            yield f"{identify(config_map)}: {users[name]} workloads read it"
        if not _GENERATED.fullmatch(name):
            yield f"{identify(config_map)}: no hash in the name: a change would restart no pod"
        for key in config_map.get("data", {}):
            if not key.startswith("RINGLOG_"):
                yield f"{identify(config_map)}: {key} is no setting"


def listening(manifests: Manifests) -> Iterator[str]:
    """A process listens on the ports that its container declares and its probes use."""
    for pod, settings in _with_settings(manifests):
        ports = {"grpc": _host_and_port(settings.grpc_listen)[1]}
        if isinstance(settings, GatewaySettings):
            names = {"INTERNAL": "kafka", "EXTERNAL": "kafka-external"}
            ports |= {names.get(item.name, item.name): item.port for item in settings.bound}
        if ports != pod.ports:
            yield f"{pod.name}: listens on {ports}, but declares {pod.ports}"
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = pod.container.get(name, {}).get("grpc", {}).get("port")
            if port != ports["grpc"]:
                yield f"{pod.name}: {name} uses port {port}, but gRPC is on {ports['grpc']}"


def addresses(manifests: Manifests) -> Iterator[str]:
    """metadata.address leads to metadata pods, advertised addresses to the pod itself."""
    for pod, settings in _with_settings(manifests):
        if isinstance(settings, PartitionSettings):
            if settings.member != pod.name:
                yield f"{pod.name}: member.name is {settings.member}"
            host, port = _host_and_port(settings.advertised_address)
            yield from _leads_to(manifests, pod, host, port, "grpc", "grpc.advertised.address")
        if not isinstance(settings, MetadataSettings):
            yield from _metadata_address(manifests, pod, settings.metadata_address)


def _metadata_address(manifests: Manifests, pod: Pod, text: str) -> Iterator[str]:
    names: list[str] = []
    for address in text.split(","):
        host, port = _host_and_port(address)
        targets = manifests.resolve(host, pod.namespace)
        names += [target.name for target in targets if target.ports.get("grpc") == port]
    if sorted(names) != sorted(target.name for target in manifests.pods_of("metadata")):
        yield f"{pod.name}: metadata.address {text} leads to {names}"


def brokers(manifests: Manifests) -> Iterator[str]:
    """Gateways have distinct identities, and their advertised addresses lead to them."""
    gateways = [
        (pod, settings)
        for pod, settings in _with_settings(manifests)
        if isinstance(settings, GatewaySettings)
    ]
    advertised = [settings.advertised("EXTERNAL") for _, settings in gateways]
    is_shared_address = len(set(advertised)) == 1 < len(advertised)
    if not is_shared_address and len(set(advertised)) != len(advertised):
        yield f"some gateways share an EXTERNAL address, others do not: {advertised}"
    for pod, settings in gateways:
        if settings.node_id != pod.ordinal:
            yield f"{pod.name}: node.id is {settings.node_id}"
        if not settings.broker_rack:
            yield f"{pod.name}: no rack"
        internal, external = settings.advertised("INTERNAL"), settings.advertised("EXTERNAL")
        if internal is None or external is None:
            yield f"{pod.name}: advertises {settings.advertised_listeners}"
            continue
        yield from _leads_to(manifests, pod, internal.host, internal.port, "kafka", "INTERNAL")
        selected = [
            {target.name for target in manifests.selected_by(service)}
            for service in manifests.of("Service")
            if _is_entry(manifests, service, pod, external)
        ]
        expected = {gateway.name for gateway, _ in gateways} if is_shared_address else {pod.name}
        if selected != [expected]:
            yield f"{pod.name}: EXTERNAL {external.host}:{external.port} is not {sorted(expected)}"


def _is_entry(manifests: Manifests, service: Object, pod: Pod, external: ListenerAddress) -> bool:
    """True if external clients reach a pod's EXTERNAL through a Service at the advertised port."""
    key = {"NodePort": "nodePort", "LoadBalancer": "port"}.get(service["spec"].get("type", ""))
    return any(
        key is not None
        and port.get(key) == external.port
        and port.get("targetPort") in ("kafka-external", pod.ports.get("kafka-external"))
        and pod.name in {target.name for target in manifests.selected_by(service)}
        for port in service["spec"]["ports"]
    )


def data(manifests: Manifests) -> Iterator[str]:
    """Stateful pods store their data on a volume or in etcd; stateless pods have no volume."""
    for pod, settings in _with_settings(manifests):
        claims = pod.workload["spec"].get("volumeClaimTemplates", [])
        names = {claim["metadata"]["name"] for claim in claims}
        mounts = pod.container.get("volumeMounts", [])
        paths = [Path(mount["mountPath"]) for mount in mounts if mount["name"] in names]
        if isinstance(settings, GatewaySettings) or _is_on_etcd(pod, settings, manifests):
            if names:
                yield f"{pod.name}: claims {sorted(names)} and stores nothing there"
        elif not any(Path(settings.data_dir).is_relative_to(path) for path in paths):
            yield f"{pod.name}: data.dir {settings.data_dir} is on no volume"
        elif isinstance(settings, MetadataSettings) and pod.ordinal > 0:
            yield f"{pod.name}: is another cluster than metadata-0, each on a disk of its own"


def _is_on_etcd(pod: Pod, settings: object, manifests: Manifests) -> bool:
    return isinstance(settings, MetadataSettings) and store_of(pod, manifests).store == ETCD


def draining(manifests: Manifests) -> Iterator[str]:
    """Kubernetes waits until a process has drained; gateways leave their Services before."""
    for pod, settings in _with_settings(manifests):
        needed = getattr(settings, "shutdown_grace_ms", 0) / 1000 + _CLOSING_S
        if drain_s(pod) < needed:
            yield f"{pod.name}: has {drain_s(pod)} s to drain, but may need {needed} s"
        hook = pod.container.get("lifecycle", {}).get("preStop")
        if isinstance(settings, GatewaySettings) and not (hook and set(hook) == {"sleep"}):
            yield f"{pod.name}: no pause before it stops accepting connections"


def _leads_to(
    manifests: Manifests, pod: Pod, host: str, port: int, port_name: str, setting: str
) -> Iterator[str]:
    targets = [target.name for target in manifests.resolve(host, pod.namespace)]
    if targets != [pod.name] or port != pod.ports.get(port_name):
        yield f"{pod.name}: {setting} {host}:{port} leads to {targets}"


def _with_settings(manifests: Manifests) -> Iterator[tuple[Pod, Any]]:
    for pod in manifests.pods:
        try:
            yield pod, settings_of(pod, manifests)
        except NoSettings:
            continue  # `readable` reports it


def _host_and_port(text: str) -> tuple[str, int]:
    listener = parse_listener(f"GRPC://{text}") if text else ListenerAddress("GRPC", "", 0)
    return listener.host, listener.port
