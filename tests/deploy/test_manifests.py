"""Manifests of `kubectl apply -k` have no findings, and the rules find each planted mistake."""

import pytest

from tests.deploy.check_manifests import RULES, find_problems
from tests.deploy.manifests import K8S, Manifests, render
from tests.deploy.mutations import mistakes
from tests.deploy.overlays import (
    METADATA_ON_ETCD,
    SINGLE_LOAD_BALANCER,
    in_namespace,
    write_production,
)

OVERLAYS = ("local", "production")
MISTAKES = list(mistakes())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_has_no_finding(overlay):
    assert find_problems(render(K8S / "overlays" / overlay)) == []


def test_every_overlay_is_checked():
    assert sorted(folder.name for folder in (K8S / "overlays").iterdir()) == sorted(OVERLAYS)


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{index}-{mistake.rule}" for index, mistake in enumerate(MISTAKES)]
)
def test_planted_mistake_is_found(mistake):
    objects = render(K8S / "overlays" / "local")
    manifests = Manifests(objects)
    mistake.plant(manifests)
    rule = next(item for item in RULES if item.__name__ == mistake.rule)
    found = find_problems(objects, [rule])
    assert [line for line in found if mistake.words in line], found
    assert not [line for line in found if "cannot be checked" in line]


def test_every_rule_has_a_mistake_that_it_finds():
    assert {rule.__name__ for rule in RULES} == {mistake.rule for mistake in MISTAKES}


def test_malformed_manifest_causes_a_finding():
    objects = render(K8S / "overlays" / "local")
    next(item for item in objects if item["kind"] == "StatefulSet")["spec"]["template"] = []
    assert any("cannot be checked" in line for line in find_problems(objects))


def test_one_load_balancer_for_all_gateways_has_no_finding(tmp_path):
    """The overlay of docs/operations.md with a single load balancer and one host name."""
    objects = render(write_production(tmp_path, *SINGLE_LOAD_BALANCER))
    assert find_problems(objects) == []
    balancers = [item for item in objects if item.get("spec", {}).get("type") == "LoadBalancer"]
    assert len(balancers) == 1


@pytest.fixture
def on_etcd(tmp_path):
    """Objects of production with metadata in etcd, as in docs/operations.md."""
    return render(write_production(tmp_path, *METADATA_ON_ETCD))


def test_metadata_on_etcd_has_no_finding(on_etcd):
    assert find_problems(on_etcd) == []
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
def test_mistake_with_etcd_is_found(on_etcd, config_map, variable, value, words):
    maps = [item for item in on_etcd if item["kind"] == "ConfigMap"]
    changed = next(item for item in maps if item["metadata"]["name"].startswith(f"{config_map}-"))
    changed["data"][variable] = value
    assert [line for line in find_problems(on_etcd) if words in line]


def test_two_installations_share_no_cluster_wide_object(tmp_path):
    """Deleting the second installation must not delete the guard of the first."""
    objects = render(write_production(tmp_path, in_namespace("other")))
    assert find_problems(objects) == []
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
def test_lists_that_are_replaced_entirely_contain_the_defaults_of_the_api_server(overlay):
    """`kubectl apply` compares the items of such lists: an omitted default counts as a change."""
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
def test_autoscaler_may_remove_nodes_of_pods_with_temporary_files(overlay):
    """An autoscaler keeps nodes with local volumes unless an annotation names each volume."""
    for workload in Manifests(render(K8S / "overlays" / overlay)).of("StatefulSet"):
        template = workload["spec"]["template"]
        local = [volume["name"] for volume in template["spec"]["volumes"] if "emptyDir" in volume]
        annotation = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
        assert template["metadata"].get("annotations", {}).get(annotation, "") == ",".join(local)
