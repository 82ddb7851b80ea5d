"""The manifests, applied to a real API server: accepted, unchanged when applied again, guarded."""

import json

import pytest

from tests.deploy.manifests import K8S, Manifests, load, render
from tests.deploy.overlays import (
    METADATA_ON_ETCD,
    SINGLE_LOAD_BALANCER,
    in_namespace,
    write_production,
)
from tests.support.processes.kube_api_server import ApiServer
from tests.support.waiting import eventually

#: Differences of each variant from production. Each is installed in a namespace of its name.
VARIANTS = {"production": (), "single": SINGLE_LOAD_BALANCER, "on-etcd": METADATA_ON_ETCD}
#: kubectl sends the selector of this kind with every apply (its patchStrategy is "replace").
ALWAYS_SENT = "poddisruptionbudget.policy/"
#: First minor version whose API server omits the creationTimestamp of a claim template.
CLAIMS_UNCHANGED_SINCE = 34


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with ApiServer(tmp_path_factory.mktemp("kubernetes")) as server:
        yield server


@pytest.fixture
def install(api, tmp_path_factory):
    """Applies a variant of production in a namespace of its own, and returns its folder."""

    def apply_variant(namespace, *changes):
        folder = write_production(
            tmp_path_factory.mktemp(namespace), *changes, in_namespace(namespace)
        )
        api.must("create", "namespace", namespace)
        assert _apply(api, folder) == {"created"}
        return folder

    return apply_variant


def _apply(api, folder):
    """Applies the objects of a folder; returns the outcomes, such as "created"."""
    lines = api.must("apply", "--validate=strict", "-k", str(folder)).splitlines()
    return {line.rpartition(" ")[2] for line in lines}


@pytest.mark.parametrize("variant", VARIANTS)
def test_overlay_is_accepted_and_the_second_apply_assert_apply_changes_nothing(
    api, install, variant
):
    _assert_apply_changes_nothing(api, install(variant, *VARIANTS[variant]))


def test_overlay_for_one_machine_and_its_pods_are_accepted(api):
    """Creates pods, too: the namespace enforces pod security "restricted" on pods only."""
    assert _apply(api, K8S / "namespace") == {"created"}
    folder = K8S / "overlays" / "local"
    assert _apply(api, folder) == {"created", "unchanged"}
    _assert_apply_changes_nothing(api, folder)
    for workload in Manifests(render(folder)).of("StatefulSet"):
        claims = workload["spec"].get("volumeClaimTemplates", [])
        pod = {**workload["spec"]["template"], "apiVersion": "v1", "kind": "Pod"}
        pod["metadata"]["name"] = "any"
        pod["spec"]["volumes"] += [
            {"name": claim["metadata"]["name"], "emptyDir": {}} for claim in claims
        ]
        arguments = ("create", "--namespace", "ringlog", "--dry-run=server", "-f", "-")
        api.must(*arguments, text=json.dumps(pod))
        pod["spec"]["securityContext"] = {}
        assert "violates PodSecurity" in api.kubectl(*arguments, text=json.dumps(pod)).stderr


def _assert_apply_changes_nothing(api, folder):
    lines = api.must("apply", "-k", str(folder)).splitlines()
    changed = [line for line in lines if not line.endswith(" unchanged")]
    unexpected = [line for line in changed if not line.startswith(ALWAYS_SENT)]
    version = json.loads(api.must("get", "--raw", "/version"))
    if int(version["minor"].rstrip("+")) < CLAIMS_UNCHANGED_SINCE:
        unexpected = [line for line in unexpected if not line.startswith("statefulset.apps/")]
    assert unexpected == []
    assert api.must("diff", "-k", str(folder)) == ""


@pytest.fixture
def guarded(api, install):
    """Installs into a namespace, waits for the guard, and returns a GuardedInstallation."""

    def install_guarded(namespace):
        folder = install(namespace)
        guard = GuardedInstallation(api, namespace, folder)
        eventually(lambda: guard.scale(2, "--dry-run=server"), what="a guard in force")
        return guard

    return install_guarded


class GuardedInstallation:
    """The partition services of one installation, and ways to scale them."""

    def __init__(self, api, namespace, folder):
        self._api = api
        self._namespace = ("--namespace", namespace)
        self.folder = folder

    def scale(self, replicas, *flags):
        """Runs `kubectl scale`; returns the reason if it was refused, else an empty text."""
        command = ("scale", "statefulset/partition", f"--replicas={replicas}", *flags)
        return self._refusal(self._api.kubectl(*self._namespace, *command))

    def patch(self, replicas, drained=None):
        """Patches with this annotation; returns the reason of a refusal, else an empty text."""
        change = {"spec": {"replicas": replicas}}
        if drained is not None:
            change["metadata"] = {"annotations": {"ringlog/drained": drained}}
        command = ("patch", "statefulset", "partition", "--type=merge", "-p", json.dumps(change))
        return self._refusal(self._api.kubectl(*self._namespace, *command))

    def apply(self, replicas):
        """Applies other replicas; returns the reason if that was refused, else an empty text."""
        objects = Manifests(load(self._api.must("kustomize", str(self.folder))))
        workload = objects.find("StatefulSet", "partition")
        workload["spec"]["replicas"] = replicas
        return self._refusal(self._api.kubectl("apply", "-f", "-", text=json.dumps(workload)))

    def generation_and_replicas(self):
        output = self._api.must(*self._namespace, "get", "statefulset", "partition", "-o", "json")
        workload = json.loads(output)
        return workload["metadata"]["generation"], workload["spec"]["replicas"]

    def _refusal(self, completed):
        if not completed.returncode:
            return ""
        assert "denied request: partition services from" in completed.stderr
        return completed.stderr


def test_scaling_down_is_refused_by_every_command_and_allowed_once_for_a_drained_step(guarded):
    guard = guarded("guarded")
    for replicas in (2, 1, 0):
        for set_replicas in (guard.scale, guard.patch, guard.apply):
            assert set_replicas(replicas)
    assert guard.generation_and_replicas() == (1, 3)
    for annotation in ("generation=0 replicas=2", "generation=1 replicas=1", ""):
        assert guard.patch(2, annotation)
    assert not guard.patch(2, "generation=1 replicas=2")
    assert guard.generation_and_replicas() == (2, 2)
    assert guard.patch(1, "generation=1 replicas=1")
    assert guard.patch(1)
    assert not guard.scale(4)
    assert guard.patch(2)
    assert not guard.patch(0, "generation=3 replicas=0")
    assert not guard.scale(2)
    assert guard.generation_and_replicas() == (5, 2)


def test_deleting_another_installation_leaves_the_guard(api, guarded):
    first, second = guarded("first"), guarded("second")
    api.must("delete", "-k", str(second.folder))
    api.must("create", "-f", "-", text=_partition(second.folder))
    eventually(lambda: not second.scale(2), what="the end of the second guard")
    assert first.scale(2)
    assert first.patch(2)


def _partition(folder):
    return json.dumps(Manifests(render(folder)).find("StatefulSet", "partition"))
