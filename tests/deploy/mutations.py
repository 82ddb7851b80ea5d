"""Mistakes, planted one at a time in manifests that are right, and what the check says of each."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.deploy.manifests import Manifests, Object


class Mistake(NamedTuple):
    """`plant` changes the objects in place; then `rule` has to have a finding with `words`."""

    plant: Callable[[Manifests], object]
    rule: str
    words: str


class _At:
    """A place in an object: `_At("StatefulSet", "gateway")["spec"]["replicas"]`."""

    def __init__(self, kind: str, name: str, *path: str | int) -> None:
        self._kind, self._name, self._path = kind, name, path

    def __getitem__(self, key: str | int) -> "_At":
        return _At(self._kind, self._name, *self._path, key)

    def becomes(self, value: Any) -> Callable[[Manifests], None]:
        def plant(manifests: Manifests) -> None:
            self._holder(manifests)[self._path[-1]] = value

        return plant

    def goes(self) -> Callable[[Manifests], None]:
        def plant(manifests: Manifests) -> None:
            del self._holder(manifests)[self._path[-1]]

        return plant

    def _holder(self, manifests: Manifests) -> Any:
        # The hash in a ConfigMap's name is left out here.
        node: Any = next(
            one
            for one in manifests.of(self._kind)
            if one["metadata"]["name"] == self._name
            or (self._kind == "ConfigMap" and one["metadata"]["name"].startswith(f"{self._name}-"))
        )
        for key in self._path[:-1]:
            node = node[key]
        return node


def _pod(name: str) -> _At:
    return _At("StatefulSet", name)["spec"]["template"]["spec"]


def _container(name: str) -> _At:
    return _pod(name)["containers"][0]


def _env(name: str, variable: str, value: str) -> Callable[[Manifests], None]:
    def plant(manifests: Manifests) -> None:
        entry = next(one for one in _env_list(manifests, name) if one["name"] == variable)
        entry.pop("valueFrom", None)
        entry["value"] = value

    return plant


def _first_env(name: str, variable: str) -> Callable[[Manifests], None]:
    """Applies a strategic merge patch to a list of variables: the changed one comes first."""

    def plant(manifests: Manifests) -> None:
        entries = _env_list(manifests, name)
        entries.sort(key=lambda one: one["name"] != variable)

    return plant


def _env_list(manifests: Manifests, name: str) -> list[Object]:
    found = manifests.find("StatefulSet", name)
    assert found is not None
    entries: list[Object] = found["spec"]["template"]["spec"]["containers"][0]["env"]
    return entries


def _without(kind: str, name: str) -> Callable[[Manifests], None]:
    def plant(manifests: Manifests) -> None:
        assert isinstance(manifests.objects, list)
        manifests.objects.remove(manifests.find(kind, name))

    return plant


def _twice(kind: str, name: str) -> Callable[[Manifests], None]:
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
    partition = _At("StatefulSet", "partition")
    yield Mistake(partition["spec"]["replicsa"].becomes(3), "schema", "replicsa")
    yield Mistake(partition["apiVersion"].becomes("apps/v1beta1"), "schema", "has no apps/v1beta1")
    yield Mistake(_container("partition")["ports"][0]["containerPort"].becomes("x"), "schema", "")
    yield Mistake(_twice("Service", "kafka"), "names", "defined twice")
    yield Mistake(_At("Service", "kafka")["metadata"]["name"].becomes("Kafka_1"), "names", "DNS")
    yield Mistake(_At("Service", "kafka")["metadata"]["namespace"].becomes("x"), "names", "x")
    guard = _At("ValidatingAdmissionPolicy", "ringlog-scale-down-ringlog")
    yield Mistake(guard["metadata"]["namespace"].becomes("ringlog"), "names", "no namespace")
    policy = _container("gateway")["imagePullPolicy"]
    yield Mistake(policy.becomes("Allways"), "values", "Allways")
    memory = _container("partition")["resources"]["limits"]["memory"]
    yield Mistake(memory.becomes("2GB"), "values", "2GB")
    period = _container("partition")["livenessProbe"]["periodSeconds"]
    yield Mistake(period.becomes(0), "values", "less than 1")
    modes = partition["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"]
    yield Mistake(modes.becomes(["ReadWriteMany"]), "values", "two pods have one volume")


def _in_pods() -> Iterator[Mistake]:
    partition, gateway = _At("StatefulSet", "partition"), _At("StatefulSet", "gateway")
    headless = _At("Service", "partition")["spec"]
    labels = gateway["spec"]["template"]["metadata"]["labels"]
    component = "app.kubernetes.io/component"
    yield Mistake(_without("StatefulSet", "metadata"), "workloads", "StatefulSets are")
    yield Mistake(labels[component].becomes("gate"), "workloads", "does not match")
    yield Mistake(partition["spec"]["podManagementPolicy"].goes(), "workloads", "Parallel")
    yield Mistake(gateway["spec"]["replicas"].becomes(0), "workloads", "no replicas")
    yield Mistake(
        gateway["spec"]["selector"]["matchLabels"].becomes({"app.kubernetes.io/name": "ringlog"}),
        "workloads",
        "another StatefulSet",
    )
    yield Mistake(partition["spec"]["serviceName"].becomes("partitions"), "workloads", "no Service")
    yield Mistake(headless["clusterIP"].goes(), "workloads", "not headless")
    yield Mistake(headless["publishNotReadyAddresses"].becomes(False), "workloads", "hides pods")
    yield Mistake(headless["selector"][component].goes(), "workloads", "exactly its pods")
    claims = partition["spec"]["volumeClaimTemplates"]
    kept = partition["spec"]["persistentVolumeClaimRetentionPolicy"]
    yield Mistake(claims.goes(), "volumes", "mounts 'data', no volume")
    yield Mistake(claims.goes(), "data", "is on no volume")
    metadata = _At("StatefulSet", "metadata")["spec"]
    yield Mistake(metadata["replicas"].becomes(2), "data", "metadata-1: is another cluster")
    yield Mistake(kept["whenScaled"].becomes("Delete"), "volumes", "not retained")
    yield Mistake(kept.goes(), "volumes", "not retained")
    yield Mistake(_container("gateway")["volumeMounts"][0]["name"].becomes("x"), "volumes", "x")
    yield from _in_probes()
    yield from _in_confinement()
    terms = _pod("gateway")["affinity"]["podAntiAffinity"]
    yield Mistake(terms.goes(), "spreading", "no anti-affinity")
    zones = _pod("gateway")["topologySpreadConstraints"][0]
    yield Mistake(zones["whenUnsatisfiable"].becomes("DoNotSchedule"), "spreading", "zones")
    zone_labels = zones["labelSelector"]["matchLabels"]
    yield Mistake(zone_labels[component].goes(), "spreading", "keeps apart from")
    budget = _At("PodDisruptionBudget", "partition")["spec"]
    yield Mistake(budget["maxUnavailable"].becomes(2), "disruptions", "partition")
    yield Mistake(
        budget["selector"]["matchLabels"][component].becomes("x"), "disruptions", "no pod"
    )
    yield Mistake(_without("PodDisruptionBudget", "gateway"), "disruptions", "gateway")


def _in_probes() -> Iterator[Mistake]:
    container = _container("partition")
    readiness = container["readinessProbe"]
    yield Mistake(container["livenessProbe"].goes(), "probes", "livenessProbe is not")
    yield Mistake(readiness["tcpSocket"].becomes({"port": 9292}), "probes", "not a grpc probe")
    yield Mistake(readiness["grpc"]["service"].becomes("ready"), "probes", "'ready'")
    yield Mistake(
        container["livenessProbe"]["grpc"]["service"].becomes("readiness"), "probes", "'readiness'"
    )
    yield Mistake(readiness["grpc"]["port"].becomes(9392), "probes", "not declared")
    yield Mistake(container["startupProbe"]["failureThreshold"].becomes(5), "probes", "gives up")


def _in_confinement() -> Iterator[Mistake]:
    pod, container = _pod("metadata"), _container("metadata")
    security, own = pod["securityContext"], container["securityContext"]
    sidecar = [{"name": "one", "image": "x:1"}, {"name": "two", "image": "y:1"}]
    for place, value, words in (
        (pod["enableServiceLinks"], True, "enableServiceLinks"),
        (pod["automountServiceAccountToken"], True, "automountServiceAccountToken"),
        (pod["hostNetwork"], True, "host namespaces"),
        (pod["containers"], sidecar, "more than one container"),
        (security["runAsNonRoot"], False, "runAsNonRoot"),
        (security["runAsUser"], 0, "runAsNonRoot"),
        (security["fsGroup"], 0, "fsGroup"),
        (security["seccompProfile"], {"type": "Unconfined"}, "seccompProfile"),
        (own["readOnlyRootFilesystem"], False, "readOnlyRootFilesystem"),
        (own["allowPrivilegeEscalation"], True, "allowPrivilegeEscalation"),
        (own["privileged"], True, "not privileged"),
        (own["capabilities"], {"drop": ["NET_RAW"]}, "capabilities"),
        (container["resources"]["requests"], {"cpu": "1"}, "requests"),
        (container["resources"]["limits"], {"memory": "1Gi", "cpu": "1"}, "no cpu limit"),
        (container["image"], "registry.example.com:5000/ringlog", "an image with a tag"),
    ):
        yield Mistake(place.becomes(value), "confinement", words)


def _in_settings() -> Iterator[Mistake]:
    gateway, partition, metadata = (
        _At("ConfigMap", name)["data"] for name in ("gateway", "partition", "metadata")
    )
    yield Mistake(
        gateway["RINGLOG_FETCH_MAX_BYTE"].becomes("1048576"), "readable", "unknown setting"
    )
    yield Mistake(partition["RINGLOG_LISTENERS"].becomes("A://:1"), "readable", "unknown setting")
    yield Mistake(metadata["RINGLOG_NUM_PARTITIONS"].becomes("0"), "readable", "num.partitions")
    yield Mistake(
        _container("gateway")["envFrom"][0]["configMapRef"]["name"].becomes("gateway"),
        "readable",
        "no ConfigMap gateway",
    )
    yield Mistake(_first_env("gateway", "EXTERNAL_ADDRESS"), "readable", "does not stand before")
    yield Mistake(_container("gateway")["command"].becomes(["ringlog"]), "readable", "command")
    yield Mistake(
        _container("gateway")["command"][2].becomes("partition_svc"), "readable", "unknown setting"
    )
    yield Mistake(gateway["log.level"].becomes("DEBUG"), "config_maps", "log.level is no setting")
    yield Mistake(
        _At("ConfigMap", "gateway")["metadata"]["name"].becomes("gateway"), "config_maps", "no hash"
    )
    yield Mistake(_container("gateway")["envFrom"].goes(), "config_maps", "0 workloads")
    yield Mistake(gateway["RINGLOG_GRPC_LISTEN"].becomes("0.0.0.0:9193"), "listening", "listens on")
    yield Mistake(
        _container("gateway")["ports"][0]["containerPort"].becomes(9093), "listening", "declares"
    )
    yield Mistake(
        _container("gateway")["livenessProbe"]["grpc"]["port"].becomes(9092),
        "listening",
        "livenessProbe asks port 9092",
    )
    address = "RINGLOG_METADATA_ADDRESS"
    for wrong in ("metadata-0.metadata:9393", "metadata-1.metadata:9392", "meta:9392"):
        yield Mistake(partition[address].becomes(wrong), "addresses", wrong)
    yield Mistake(_env("partition", "RINGLOG_MEMBER_NAME", "p-0"), "addresses", "member.name")
    own = "RINGLOG_GRPC_ADVERTISED_ADDRESS"
    for wrong in ("partition:9292", "$(POD_IP):9392", "partition-0.gateway:9292"):
        rendered = wrong.replace("$(POD_IP)", "")
        yield Mistake(_env("partition", own, wrong), "addresses", f"{rendered} leads to")
    yield from _in_brokers()
    yield Mistake(partition["RINGLOG_DATA_DIR"].becomes("/tmp/x"), "data", "/tmp/x is on no volume")
    grace = "RINGLOG_SHUTDOWN_GRACE_MS"
    yield Mistake(partition[grace].becomes("60000"), "draining", "may need 70.0 s")
    yield Mistake(
        _pod("gateway")["terminationGracePeriodSeconds"].becomes(20), "draining", "has 15 s"
    )
    yield Mistake(_container("gateway")["lifecycle"].goes(), "draining", "no pause")


def _in_brokers() -> Iterator[Mistake]:
    yield Mistake(_env("gateway", "RINGLOG_NODE_ID", "7"), "brokers", "node.id is 7")
    yield Mistake(_env("gateway", "RINGLOG_BROKER_RACK", ""), "brokers", "no rack")
    inside = "INTERNAL://$(POD_NAME).gateway.$(POD_NAMESPACE).svc:9092"
    advertised = "RINGLOG_ADVERTISED_LISTENERS"
    yield Mistake(_env("gateway", advertised, inside), "brokers", "advertises")
    yield Mistake(
        _env("gateway", advertised, "INTERNAL://gateway:9092,EXTERNAL://$(EXTERNAL_ADDRESS)"),
        "brokers",
        "INTERNAL gateway:9092 leads to",
    )
    yield Mistake(_env("gateway", "EXTERNAL_ADDRESS", "kafka.example.com:1"), "brokers", "is not")
    services = "gateway-0-external", "gateway-1-external"
    yield Mistake(_without("Service", services[1]), "brokers", "gateway-1: EXTERNAL")
    pod_name = "statefulset.kubernetes.io/pod-name"
    selector = _At("Service", services[0])["spec"]["selector"]
    yield Mistake(selector[pod_name].becomes("gateway-1"), "brokers", "gateway-0: EXTERNAL")
    port = _At("Service", services[0])["spec"]["ports"][0]
    yield Mistake(port["targetPort"].becomes("kafka"), "brokers", "gateway-0: EXTERNAL")


def _in_network() -> Iterator[Mistake]:
    port = _At("Service", "kafka")["spec"]["ports"][0]
    yield Mistake(port["targetPort"].becomes("kafak"), "services", "no port kafak")
    selector = _At("Service", "kafka")["spec"]["selector"]
    yield Mistake(selector["app.kubernetes.io/component"].goes(), "services", "selects")
    yield Mistake(selector["app.kubernetes.io/component"].becomes("x"), "services", "selects []")
    external = _At("Service", "gateway-1-external")["spec"]["selector"]
    pod_name = "statefulset.kubernetes.io/pod-name"
    yield Mistake(external[pod_name].becomes("gateway-9"), "services", "selects []")
    for policy, words in (
        ("dns", "cannot look up names"),
        ("gateway", "gateway does not reach grpc of metadata"),
        ("partition", "gateway does not reach grpc of partition"),
        ("metadata", "partition does not reach grpc of metadata"),
    ):
        yield Mistake(_without("NetworkPolicy", policy), "paths", words)
    yield Mistake(_without("NetworkPolicy", "default-deny"), "policies", "no policy denies")
    gateway, partition = (_At("NetworkPolicy", name)["spec"] for name in ("gateway", "partition"))
    yield Mistake(
        partition["ingress"][0]["from"].goes(),
        "paths",
        "a client outside reaches grpc of partition",
    )
    yield Mistake(
        partition["egress"][1]["ports"][0]["port"].becomes(9293), "paths", "partition does not"
    )
    yield Mistake(gateway["egress"].becomes([{}]), "paths", "gateway reaches a client outside")
    yield Mistake(
        gateway["ingress"][1]["ports"].goes(), "paths", "a client outside reaches grpc of gateway"
    )
    yield Mistake(gateway["egress"].becomes([{}]), "etcd", "gateway reaches etcd.etcd.svc:2379")
    dns = _At("NetworkPolicy", "dns")["spec"]["egress"][0]
    yield Mistake(dns["ports"][0]["protocol"].becomes("TCP"), "paths", "names over UDP")
    yield Mistake(
        gateway["podSelector"]["matchLabels"]["app.kubernetes.io/component"].becomes("x"),
        "policies",
        "selects no pod",
    )


def _in_guard() -> Iterator[Mistake]:
    name = "ringlog-scale-down-ringlog"
    policy = _At("ValidatingAdmissionPolicy", name)["spec"]
    rule = policy["matchConstraints"]["resourceRules"][0]
    yield Mistake(_without("ValidatingAdmissionPolicy", name), "guard", "no Validating")
    yield Mistake(_without("ValidatingAdmissionPolicyBinding", name), "guard", "no binding")
    yield Mistake(policy["failurePolicy"].becomes("Ignore"), "guard", "lets through")
    yield Mistake(rule["resources"].becomes(["statefulsets"]), "guard", "is about")
    yield Mistake(rule["resourceNames"].becomes(["partitions"]), "guard", "no StatefulSet")
    binding = _At("ValidatingAdmissionPolicyBinding", name)["spec"]
    yield Mistake(binding["validationActions"].becomes(["Warn"]), "guard", "no binding")
    selector = binding["matchResources"]["namespaceSelector"]["matchLabels"]
    other = {"kubernetes.io/metadata.name": "other"}
    yield Mistake(selector.becomes(other), "guard", "does not select namespace ringlog")
    yield Mistake(binding["matchResources"].goes(), "guard", "selects every namespace")
    metadata = _At("ValidatingAdmissionPolicyBinding", name)["metadata"]
    yield Mistake(metadata["name"].becomes("scale-down"), "guard", "does not have the namespace")
