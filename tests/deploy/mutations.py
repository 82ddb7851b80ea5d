"""Mistakes to plant one at a time in correct manifests, with the finding that each must cause."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.deploy.manifests import Manifests, Object


class Mistake(NamedTuple):
    """A mistake: `plant` changes the objects in place; then `rule` must find it, with `words`."""

    plant: Callable[[Manifests], object]
    rule: str
    words: str


class _Field:
    """A field of an object: `_Field("StatefulSet", "gateway")["spec"]["replicas"]`."""

    def __init__(self, kind: str, name: str, *path: str | int) -> None:
        self._kind, self._name, self._path = kind, name, path

    def __getitem__(self, key: str | int) -> "_Field":
        return _Field(self._kind, self._name, *self._path, key)

    def set_to(self, value: Any) -> Callable[[Manifests], None]:
        def plant(manifests: Manifests) -> None:
            self._parent(manifests)[self._path[-1]] = value

        return plant

    def deleted(self) -> Callable[[Manifests], None]:
        def plant(manifests: Manifests) -> None:
            del self._parent(manifests)[self._path[-1]]

        return plant

    def _parent(self, manifests: Manifests) -> Any:
        # Mistakes name ConfigMaps without the hash in their names.
        node: Any = next(
            item
            for item in manifests.of(self._kind)
            if item["metadata"]["name"] == self._name
            or (self._kind == "ConfigMap" and item["metadata"]["name"].startswith(f"{self._name}-"))
        )
        for key in self._path[:-1]:
            node = node[key]
        return node


def _pod(name: str) -> _Field:
    return _Field("StatefulSet", name)["spec"]["template"]["spec"]


def _container(name: str) -> _Field:
    return _pod(name)["containers"][0]


def _env(name: str, variable: str, value: str) -> Callable[[Manifests], None]:
    def plant(manifests: Manifests) -> None:
        entry = next(item for item in _env_list(manifests, name) if item["name"] == variable)
        entry.pop("valueFrom", None)
        entry["value"] = value

    return plant


def _first_env(name: str, variable: str) -> Callable[[Manifests], None]:
    """Moves a variable to the front of the list, as a strategic merge patch would."""

    def plant(manifests: Manifests) -> None:
        entries = _env_list(manifests, name)
        entries.sort(key=lambda entry: entry["name"] != variable)

    return plant


def _env_list(manifests: Manifests, name: str) -> list[Object]:
    workload = manifests.find("StatefulSet", name)
    assert workload is not None
    entries: list[Object] = workload["spec"]["template"]["spec"]["containers"][0]["env"]
    return entries


def _without(kind: str, name: str) -> Callable[[Manifests], None]:
    def plant(manifests: Manifests) -> None:
        assert isinstance(manifests.objects, list)
        manifests.objects.remove(manifests.find(kind, name))

    return plant


def _duplicated(kind: str, name: str) -> Callable[[Manifests], None]:
    def plant(manifests: Manifests) -> None:
        assert isinstance(manifests.objects, list)
        manifests.objects.append(manifests.find(kind, name))

    return plant


def mistakes() -> Iterator[Mistake]:
    yield from _in_objects()
    yield from _in_pods()
    yield from _in_settings()
    yield from _in_network()
    yield from _in_guard()


def _in_objects() -> Iterator[Mistake]:
    partition = _Field("StatefulSet", "partition")
    yield Mistake(partition["spec"]["replicsa"].set_to(3), "schema", "replicsa")
    yield Mistake(partition["apiVersion"].set_to("apps/v1beta1"), "schema", "has no apps/v1beta1")
    yield Mistake(_container("partition")["ports"][0]["containerPort"].set_to("x"), "schema", "")
    yield Mistake(_duplicated("Service", "kafka"), "names", "defined twice")
    yield Mistake(_Field("Service", "kafka")["metadata"]["name"].set_to("Kafka_1"), "names", "DNS")
    yield Mistake(_Field("Service", "kafka")["metadata"]["namespace"].set_to("x"), "names", "x")
    guard = _Field("ValidatingAdmissionPolicy", "ringlog-scale-down-ringlog")
    yield Mistake(guard["metadata"]["namespace"].set_to("ringlog"), "names", "no namespace")
    policy = _container("gateway")["imagePullPolicy"]
    yield Mistake(policy.set_to("Allways"), "values", "Allways")
    memory = _container("partition")["resources"]["limits"]["memory"]
    yield Mistake(memory.set_to("2GB"), "values", "2GB")
    period = _container("partition")["livenessProbe"]["periodSeconds"]
    yield Mistake(period.set_to(0), "values", "less than 1")
    modes = partition["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"]
    yield Mistake(modes.set_to(["ReadWriteMany"]), "values", "two pods share a volume")


def _in_pods() -> Iterator[Mistake]:
    partition, gateway = _Field("StatefulSet", "partition"), _Field("StatefulSet", "gateway")
    headless = _Field("Service", "partition")["spec"]
    labels = gateway["spec"]["template"]["metadata"]["labels"]
    component = "app.kubernetes.io/component"
    yield Mistake(_without("StatefulSet", "metadata"), "workloads", "StatefulSets are")
    yield Mistake(labels[component].set_to("gate"), "workloads", "does not match")
    yield Mistake(partition["spec"]["podManagementPolicy"].deleted(), "workloads", "Parallel")
    yield Mistake(gateway["spec"]["replicas"].set_to(0), "workloads", "no replicas")
    yield Mistake(
        gateway["spec"]["selector"]["matchLabels"].set_to({"app.kubernetes.io/name": "ringlog"}),
        "workloads",
        "another StatefulSet",
    )
    yield Mistake(partition["spec"]["serviceName"].set_to("partitions"), "workloads", "no Service")
    yield Mistake(headless["clusterIP"].deleted(), "workloads", "not headless")
    yield Mistake(headless["publishNotReadyAddresses"].set_to(False), "workloads", "hides pods")
    yield Mistake(headless["selector"][component].deleted(), "workloads", "exactly its pods")
    claims = partition["spec"]["volumeClaimTemplates"]
    retention = partition["spec"]["persistentVolumeClaimRetentionPolicy"]
    yield Mistake(claims.deleted(), "volumes", "mounts 'data', no volume")
    yield Mistake(claims.deleted(), "data", "is on no volume")
    metadata = _Field("StatefulSet", "metadata")["spec"]
    yield Mistake(metadata["replicas"].set_to(2), "data", "metadata-1: is another cluster")
    yield Mistake(retention["whenScaled"].set_to("Delete"), "volumes", "not retained")
    yield Mistake(retention.deleted(), "volumes", "not retained")
    yield Mistake(_container("gateway")["volumeMounts"][0]["name"].set_to("x"), "volumes", "x")
    yield from _in_probes()
    yield from _in_confinement()
    terms = _pod("gateway")["affinity"]["podAntiAffinity"]
    yield Mistake(terms.deleted(), "spreading", "no anti-affinity")
    zones = _pod("gateway")["topologySpreadConstraints"][0]
    yield Mistake(zones["whenUnsatisfiable"].set_to("DoNotSchedule"), "spreading", "zones")
    zone_labels = zones["labelSelector"]["matchLabels"]
    yield Mistake(zone_labels[component].deleted(), "spreading", "keeps apart from")
    budget = _Field("PodDisruptionBudget", "partition")["spec"]
    yield Mistake(budget["maxUnavailable"].set_to(2), "disruptions", "partition")
    yield Mistake(budget["selector"]["matchLabels"][component].set_to("x"), "disruptions", "no pod")
    yield Mistake(_without("PodDisruptionBudget", "gateway"), "disruptions", "gateway")


def _in_probes() -> Iterator[Mistake]:
    container = _container("partition")
    readiness = container["readinessProbe"]
    yield Mistake(container["livenessProbe"].deleted(), "probes", "livenessProbe is not")
    yield Mistake(readiness["tcpSocket"].set_to({"port": 9292}), "probes", "not a grpc probe")
    yield Mistake(readiness["grpc"]["service"].set_to("ready"), "probes", "'ready'")
    yield Mistake(
        container["livenessProbe"]["grpc"]["service"].set_to("readiness"), "probes", "'readiness'"
    )
    yield Mistake(readiness["grpc"]["port"].set_to(9392), "probes", "not declared")
    yield Mistake(container["startupProbe"]["failureThreshold"].set_to(5), "probes", "gives up")


def _in_confinement() -> Iterator[Mistake]:
    pod, container = _pod("metadata"), _container("metadata")
    security, container_security = pod["securityContext"], container["securityContext"]
    sidecar = [{"name": "one", "image": "x:1"}, {"name": "two", "image": "y:1"}]
    for field, value, words in (
        (pod["enableServiceLinks"], True, "enableServiceLinks"),
        (pod["automountServiceAccountToken"], True, "automountServiceAccountToken"),
        (pod["hostNetwork"], True, "host namespaces"),
        (pod["containers"], sidecar, "more than one container"),
        (security["runAsNonRoot"], False, "runAsNonRoot"),
        (security["runAsUser"], 0, "runAsNonRoot"),
        (security["fsGroup"], 0, "fsGroup"),
        (security["seccompProfile"], {"type": "Unconfined"}, "seccompProfile"),
        (container_security["readOnlyRootFilesystem"], False, "readOnlyRootFilesystem"),
        (container_security["allowPrivilegeEscalation"], True, "allowPrivilegeEscalation"),
        (container_security["privileged"], True, "not privileged"),
        (container_security["capabilities"], {"drop": ["NET_RAW"]}, "capabilities"),
        (container["resources"]["requests"], {"cpu": "1"}, "requests"),
        (container["resources"]["limits"], {"memory": "1Gi", "cpu": "1"}, "no cpu limit"),
        (container["image"], "registry.example.com:5000/ringlog", "an image with a tag"),
    ):
        yield Mistake(field.set_to(value), "confinement", words)


def _in_settings() -> Iterator[Mistake]:
    gateway, partition, metadata = (
        _Field("ConfigMap", name)["data"] for name in ("gateway", "partition", "metadata")
    )
    yield Mistake(
        gateway["RINGLOG_FETCH_MAX_BYTE"].set_to("1048576"), "readable", "unknown setting"
    )
    yield Mistake(partition["RINGLOG_LISTENERS"].set_to("A://:1"), "readable", "unknown setting")
    yield Mistake(metadata["RINGLOG_NUM_PARTITIONS"].set_to("0"), "readable", "num.partitions")
    yield Mistake(
        _container("gateway")["envFrom"][0]["configMapRef"]["name"].set_to("gateway"),
        "readable",
        "no ConfigMap gateway",
    )
    yield Mistake(_first_env("gateway", "EXTERNAL_ADDRESS"), "readable", "is not defined earlier")
    yield Mistake(_container("gateway")["command"].set_to(["ringlog"]), "readable", "command")
    yield Mistake(
        _container("gateway")["command"][2].set_to("partition_svc"), "readable", "unknown setting"
    )
    yield Mistake(gateway["log.level"].set_to("DEBUG"), "config_maps", "log.level is no setting")
    yield Mistake(
        _Field("ConfigMap", "gateway")["metadata"]["name"].set_to("gateway"),
        "config_maps",
        "no hash",
    )
    yield Mistake(_container("gateway")["envFrom"].deleted(), "config_maps", "0 workloads")
    yield Mistake(gateway["RINGLOG_GRPC_LISTEN"].set_to("0.0.0.0:9193"), "listening", "listens on")
    yield Mistake(
        _container("gateway")["ports"][0]["containerPort"].set_to(9093), "listening", "declares"
    )
    yield Mistake(
        _container("gateway")["livenessProbe"]["grpc"]["port"].set_to(9092),
        "listening",
        "livenessProbe uses port 9092",
    )
    address = "RINGLOG_METADATA_ADDRESS"
    for wrong_address in ("metadata-0.metadata:9393", "metadata-1.metadata:9392", "meta:9392"):
        yield Mistake(partition[address].set_to(wrong_address), "addresses", wrong_address)
    yield Mistake(_env("partition", "RINGLOG_MEMBER_NAME", "p-0"), "addresses", "member.name")
    advertised = "RINGLOG_GRPC_ADVERTISED_ADDRESS"
    for wrong_address in ("partition:9292", "$(POD_IP):9392", "partition-0.gateway:9292"):
        rendered = wrong_address.replace("$(POD_IP)", "")
        yield Mistake(
            _env("partition", advertised, wrong_address), "addresses", f"{rendered} leads to"
        )
    yield from _in_brokers()
    yield Mistake(partition["RINGLOG_DATA_DIR"].set_to("/tmp/x"), "data", "/tmp/x is on no volume")
    grace = "RINGLOG_SHUTDOWN_GRACE_MS"
    yield Mistake(partition[grace].set_to("60000"), "draining", "may need 70.0 s")
    yield Mistake(
        _pod("gateway")["terminationGracePeriodSeconds"].set_to(20), "draining", "has 15 s"
    )
    yield Mistake(_container("gateway")["lifecycle"].deleted(), "draining", "no pause")


def _in_brokers() -> Iterator[Mistake]:
    yield Mistake(_env("gateway", "RINGLOG_NODE_ID", "7"), "brokers", "node.id is 7")
    yield Mistake(_env("gateway", "RINGLOG_BROKER_RACK", ""), "brokers", "no rack")
    internal_only = "INTERNAL://$(POD_NAME).gateway.$(POD_NAMESPACE).svc:9092"
    advertised = "RINGLOG_ADVERTISED_LISTENERS"
    yield Mistake(_env("gateway", advertised, internal_only), "brokers", "advertises")
    yield Mistake(
        _env("gateway", advertised, "INTERNAL://gateway:9092,EXTERNAL://$(EXTERNAL_ADDRESS)"),
        "brokers",
        "INTERNAL gateway:9092 leads to",
    )
    yield Mistake(_env("gateway", "EXTERNAL_ADDRESS", "kafka.example.com:1"), "brokers", "is not")
    services = "gateway-0-external", "gateway-1-external"
    yield Mistake(_without("Service", services[1]), "brokers", "gateway-1: EXTERNAL")
    pod_name = "statefulset.kubernetes.io/pod-name"
    selector = _Field("Service", services[0])["spec"]["selector"]
    yield Mistake(selector[pod_name].set_to("gateway-1"), "brokers", "gateway-0: EXTERNAL")
    port = _Field("Service", services[0])["spec"]["ports"][0]
    yield Mistake(port["targetPort"].set_to("kafka"), "brokers", "gateway-0: EXTERNAL")


def _in_network() -> Iterator[Mistake]:
    port = _Field("Service", "kafka")["spec"]["ports"][0]
    yield Mistake(port["targetPort"].set_to("kafak"), "services", "no port kafak")
    selector = _Field("Service", "kafka")["spec"]["selector"]
    yield Mistake(selector["app.kubernetes.io/component"].deleted(), "services", "selects")
    yield Mistake(selector["app.kubernetes.io/component"].set_to("x"), "services", "selects []")
    external = _Field("Service", "gateway-1-external")["spec"]["selector"]
    pod_name = "statefulset.kubernetes.io/pod-name"
    yield Mistake(external[pod_name].set_to("gateway-9"), "services", "selects []")
    for policy, words in (
        ("dns", "cannot look up names"),
        ("gateway", "gateway does not reach grpc of metadata"),
        ("partition", "gateway does not reach grpc of partition"),
        ("metadata", "partition does not reach grpc of metadata"),
    ):
        yield Mistake(_without("NetworkPolicy", policy), "paths", words)
    yield Mistake(_without("NetworkPolicy", "default-deny"), "policies", "no policy denies")
    gateway, partition = (
        _Field("NetworkPolicy", name)["spec"] for name in ("gateway", "partition")
    )
    yield Mistake(
        partition["ingress"][0]["from"].deleted(),
        "paths",
        "a client outside reaches grpc of partition",
    )
    yield Mistake(
        partition["egress"][1]["ports"][0]["port"].set_to(9293), "paths", "partition does not"
    )
    yield Mistake(gateway["egress"].set_to([{}]), "paths", "gateway reaches a client outside")
    yield Mistake(
        gateway["ingress"][1]["ports"].deleted(),
        "paths",
        "a client outside reaches grpc of gateway",
    )
    yield Mistake(gateway["egress"].set_to([{}]), "etcd", "gateway reaches etcd.etcd.svc:2379")
    dns = _Field("NetworkPolicy", "dns")["spec"]["egress"][0]
    yield Mistake(dns["ports"][0]["protocol"].set_to("TCP"), "paths", "names over UDP")
    yield Mistake(
        gateway["podSelector"]["matchLabels"]["app.kubernetes.io/component"].set_to("x"),
        "policies",
        "selects no pod",
    )


def _in_guard() -> Iterator[Mistake]:
    name = "ringlog-scale-down-ringlog"
    policy = _Field("ValidatingAdmissionPolicy", name)["spec"]
    rule = policy["matchConstraints"]["resourceRules"][0]
    yield Mistake(_without("ValidatingAdmissionPolicy", name), "guard", "no Validating")
    yield Mistake(_without("ValidatingAdmissionPolicyBinding", name), "guard", "no binding")
    yield Mistake(policy["failurePolicy"].set_to("Ignore"), "guard", "lets through")
    yield Mistake(rule["resources"].set_to(["statefulsets"]), "guard", "is about")
    yield Mistake(rule["resourceNames"].set_to(["partitions"]), "guard", "no StatefulSet")
    binding = _Field("ValidatingAdmissionPolicyBinding", name)["spec"]
    yield Mistake(binding["validationActions"].set_to(["Warn"]), "guard", "no binding")
    selector = binding["matchResources"]["namespaceSelector"]["matchLabels"]
    other = {"kubernetes.io/metadata.name": "other"}
    yield Mistake(selector.set_to(other), "guard", "does not select namespace ringlog")
    yield Mistake(binding["matchResources"].deleted(), "guard", "selects every namespace")
    metadata = _Field("ValidatingAdmissionPolicyBinding", name)["metadata"]
    yield Mistake(metadata["name"].set_to("scale-down"), "guard", "does not have the namespace")
