"""The manifests, applied to a real API server: accepted, unchanged when applied again, guarded."""

import json

import pytest

from tests.deploy.manifests import K8S, Manifests, load, render
from tests.deploy.overlays import (
    METADATA_ON_ETCD,
    SINGLE_LOAD_BALANCER,
    in_namespace,
    production,
)
from tests.support.processes.kube_api_server import ApiServer
from tests.support.waiting import eventually

#: How each differs from production. Each has a namespace of this name.
VARIANTS = {"production": (), "single": SINGLE_LOAD_BALANCER, "on-etcd": METADATA_ON_ETCD}
#: kubectl sends the selector of this kind with every apply (its patchStrategy is "replace").
SENT_EVERY_TIME = "poddisruptionbudget.policy/"
#: The first minor version whose API server leaves out the creationTimestamp of a claim template.
CLAIMS_UNCHANGED_SINCE = 34


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with ApiServer(tmp_path_factory.mktemp("kubernetes")) as server:
        yield server


@pytest.fixture
def install(api, tmp_path_factory):
    """Applies a variant of production in a namespace of its own, and returns its folder."""

    def installed(namespace, *changes):
        folder = production(tmp_path_factory.mktemp(namespace), *changes, in_namespace(namespace))
        api.must("create", "namespace", namespace)
        assert _applied(api, folder) == {"created"}
        return folder

    return installed


def _applied(api, folder):
    """Outcome of applying the objects of a folder."""
    lines = api.must("apply", "--validate=strict", "-k", str(folder)).splitlines()
    return {line.rpartition(" ")[2] for line in lines}


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_overlay_is_accepted_and_the_second_apply_changes_nothing(api, install, variant):
    _changes_nothing(api, install(variant, *VARIANTS[variant]))


def test_the_overlay_for_one_machine_is_accepted_and_so_are_its_pods(api):
    """Its namespace enforces pod security "restricted", of pods only."""
    assert _applied(api, K8S / "namespace") == {"created"}
    folder = K8S / "overlays" / "local"
    assert _applied(api, folder) == {"created", "unchanged"}
    _changes_nothing(api, folder)
    for workload in Manifests(render(folder)).of("StatefulSet"):
        claims = workload["spec"].get("volumeClaimTemplates", [])
        pod = {**workload["spec"]["template"], "apiVersion": "v1", "kind": "Pod"}
        pod["metadata"]["name"] = "any"
        pod["spec"]["volumes"] += [
            {"name": one["metadata"]["name"], "emptyDir": {}} for one in claims
        ]
        words = ("create", "--namespace", "ringlog", "--dry-run=server", "-f", "-")
        api.must(*words, text=json.dumps(pod))
        pod["spec"]["securityContext"] = {}
        assert "violates PodSecurity" in api.kubectl(*words, text=json.dumps(pod)).stderr


def _changes_nothing(api, folder):
    lines = api.must("apply", "-k", str(folder)).splitlines()
    changed = [line for line in lines if not line.endswith(" unchanged")]
    unexpected = [one for one in changed if not one.startswith(SENT_EVERY_TIME)]
    version = json.loads(api.must("get", "--raw", "/version"))
    if int(version["minor"].rstrip("+")) < CLAIMS_UNCHANGED_SINCE:
        unexpected = [one for one in unexpected if not one.startswith("statefulset.apps/")]
    assert unexpected == []
    assert api.must("diff", "-k", str(folder)) == ""


@pytest.fixture
def guarded(api, install):
    """Installs into a namespace, waits for the guard, and returns how it is asked."""

    def installed(namespace):
        folder = install(namespace)
        guard = Guarded(api, namespace, folder)
        eventually(lambda: guard.scaled(2, "--dry-run=server"), what="a guard in force")
        return guard

    return installed


class Guarded:
    """The partition services of one installation, to be scaled."""

    def __init__(self, api, namespace, folder):
        self._api = api
        self._ours = ("--namespace", namespace)
        self.folder = folder

    def scaled(self, replicas, *words):
        """Reason for which `kubectl scale` was refused; empty if it was not."""
        asked = (*self._ours, "scale", "statefulset/partition", f"--replicas={replicas}", *words)
        return self._refusal(self._api.kubectl(*asked))

    def patched(self, replicas, drained=None):
        """Reason for which a patch with this annotation was refused; empty if it was not."""
        patch = {"spec": {"replicas": replicas}}
        if drained is not None:
            patch["metadata"] = {"annotations": {"ringlog/drained": drained}}
        asked = ("patch", "statefulset", "partition", "--type=merge", "-p", json.dumps(patch))
        return self._refusal(self._api.kubectl(*self._ours, *asked))

    def applied(self, replicas):
        """Reason for which `kubectl apply` with other replicas was refused; empty if it was not."""
        objects = Manifests(load(self._api.must("kustomize", str(self.folder))))
        workload = objects.find("StatefulSet", "partition")
        workload["spec"]["replicas"] = replicas
        return self._refusal(self._api.kubectl("apply", "-f", "-", text=json.dumps(workload)))

    def now(self):
        """Returns (generation, replicas)."""
        found = self._api.must(*self._ours, "get", "statefulset", "partition", "-o", "json")
        workload = json.loads(found)
        return workload["metadata"]["generation"], workload["spec"]["replicas"]

    def _refusal(self, done):
        if not done.returncode:
            return ""
        assert "denied request: partition services from" in done.stderr
        return done.stderr


def test_scaling_down_is_refused_in_every_way_and_a_drained_step_is_allowed_once(guarded):
    guard = guarded("guarded")
    for replicas in (2, 1, 0):
        for ask in (guard.scaled, guard.patched, guard.applied):
            assert ask(replicas)
    assert guard.now() == (1, 3)
    for said in ("generation=0 replicas=2", "generation=1 replicas=1", ""):
        assert guard.patched(2, said)
    assert not guard.patched(2, "generation=1 replicas=2")
    assert guard.now() == (2, 2)
    assert guard.patched(1, "generation=1 replicas=1")
    assert guard.patched(1)
    assert not guard.scaled(4)
    assert guard.patched(2)
    assert not guard.patched(0, "generation=3 replicas=0")
    assert not guard.scaled(2)
    assert guard.now() == (5, 2)


def test_deleting_another_installation_leaves_the_guard(api, guarded):
    first, second = guarded("first"), guarded("second")
    api.must("delete", "-k", str(second.folder))
    api.must("create", "-f", "-", text=_partition(second.folder))
    eventually(lambda: not second.scaled(2), what="the end of the second guard")
    assert first.scaled(2)
    assert first.patched(2)


def _partition(folder):
    return json.dumps(Manifests(render(folder)).find("StatefulSet", "partition"))
