"""Manifests of `kubectl apply -k` are right, and the check of them finds each mistake."""

import pytest

from tests.deploy.check_manifests import RULES, findings
from tests.deploy.manifests import K8S, Manifests, render
from tests.deploy.mutations import mistakes
from tests.deploy.overlays import (
    METADATA_ON_ETCD,
    SINGLE_LOAD_BALANCER,
    in_namespace,
    production,
)

OVERLAYS = ("local", "production")
MISTAKES = list(mistakes())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_no_finding(overlay):
    assert findings(render(K8S / "overlays" / overlay)) == []


def test_every_overlay_is_checked():
    assert sorted(one.name for one in (K8S / "overlays").iterdir()) == sorted(OVERLAYS)


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{index}-{one.rule}" for index, one in enumerate(MISTAKES)]
)
def test_a_planted_mistake_is_found(mistake):
    objects = render(K8S / "overlays" / "local")
    manifests = Manifests(objects)
    mistake.plant(manifests)
    rule = next(one for one in RULES if one.__name__ == mistake.rule)
    found = findings(objects, [rule])
    assert [line for line in found if mistake.words in line], found
    assert not [line for line in found if "cannot be checked" in line]


def test_every_rule_has_a_mistake_that_it_finds():
    assert {one.__name__ for one in RULES} == {one.rule for one in MISTAKES}


def test_a_malformed_manifest_is_a_finding_and_no_crash():
    objects = render(K8S / "overlays" / "local")
    next(item for item in objects if item["kind"] == "StatefulSet")["spec"]["template"] = []
    assert any("cannot be checked" in line for line in findings(objects))


def test_one_load_balancer_for_all_gateways_has_no_finding(tmp_path):
    """Overlay of docs/operations.md: production with the other component, and one name for all."""
    objects = render(production(tmp_path, *SINGLE_LOAD_BALANCER))
    assert findings(objects) == []
    balancers = [item for item in objects if item.get("spec", {}).get("type") == "LoadBalancer"]
    assert len(balancers) == 1


@pytest.fixture
def on_etcd(tmp_path):
    """Production, as docs/operations.md says how metadata is kept in an etcd."""
    return render(production(tmp_path, *METADATA_ON_ETCD))


def test_metadata_on_etcd_has_no_finding(on_etcd):
    assert findings(on_etcd) == []
    assert Manifests(on_etcd).find("StatefulSet", "metadata")["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("config_map", "variable", "value", "words"),
    [
        ("metadata", "RINGLOG_ETCD_ENDPOINTS", "", "metadata.store=etcd needs etcd.endpoints"),
        ("metadata", "RINGLOG_ETCD_ENDPOINTS", "etcd.db.svc:2379", "does not reach etcd.db"),
        ("metadata", "RINGLOG_ETCD_ENDPOINTS", "etcd.etcd.svc:2380", "does not reach etcd.etcd"),
        ("gateway", "RINGLOG_METADATA_ADDRESS", "metadata-0.metadata:9392", "leads to"),
    ],
)
def test_a_mistake_with_etcd_is_found(on_etcd, config_map, variable, value, words):
    maps = (one for one in on_etcd if one["kind"] == "ConfigMap")
    found = next(one for one in maps if one["metadata"]["name"].startswith(f"{config_map}-"))
    found["data"][variable] = value
    assert [line for line in findings(on_etcd) if words in line]


def test_two_installations_share_no_object_of_the_whole_kubernetes_cluster(tmp_path):
    """Deleting the second one must not take the guard of the first."""
    objects = render(production(tmp_path, in_namespace("other")))
    assert findings(objects) == []
    first = _cluster_wide(render(K8S / "overlays" / "production"))
    second = _cluster_wide(objects)
    assert len(first) == len(second) == 2
    assert not first & second


def _cluster_wide(objects):
    return {
        (item["kind"], item["metadata"]["name"])
        for item in objects
        if "namespace" not in item["metadata"]
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_lists_that_are_replaced_as_a_whole_have_the_api_servers_defaults(overlay):
    """`kubectl apply` compares such lists item by item: a default that is left out is a change."""
    manifests = Manifests(render(K8S / "overlays" / overlay))
    for policy in manifests.of("NetworkPolicy"):
        rules = [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]
        assert all("protocol" in port for rule in rules for port in rule.get("ports", []))
    for workload in manifests.of("StatefulSet"):
        for claim in workload["spec"].get("volumeClaimTemplates", []):
            assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
            assert claim["spec"]["volumeMode"] == "Filesystem"
            assert claim["status"] == {"phase": "Pending"}
    for policy in manifests.of("ValidatingAdmissionPolicy"):
        assert all("scope" in rule for rule in policy["spec"]["matchConstraints"]["resourceRules"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_autoscaler_may_remove_a_node_with_a_pod_that_has_temporary_files(overlay):
    """It leaves nodes with local volumes alone, unless an annotation names each of them."""
    for workload in Manifests(render(K8S / "overlays" / overlay)).of("StatefulSet"):
        template = workload["spec"]["template"]
        local = [one["name"] for one in template["spec"]["volumes"] if "emptyDir" in one]
        annotation = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
        assert template["metadata"].get("annotations", {}).get(annotation, "") == ",".join(local)
