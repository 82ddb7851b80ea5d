"""Rules of each object alone: a schema, names, units, namespaces."""

import re
from collections.abc import Iterator

import kubernetes_validate

from tests.deploy.manifests import Manifests, walk, who

#: The oldest Kubernetes that docs/operations.md promises, and the newest that was tried.
VERSIONS = ("1.30", "1.36")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([EPTGMk]i?|Ki|m)?")
_CHOICES = {
    "podManagementPolicy": {"OrderedReady", "Parallel"},
    "imagePullPolicy": {"Always", "Never", "IfNotPresent"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "externalTrafficPolicy": {"Local", "Cluster"},
    "whenDeleted": {"Retain", "Delete"},
    "whenScaled": {"Retain", "Delete"},
    "unhealthyPodEvictionPolicy": {"IfHealthyBudget", "AlwaysAllow"},
    "failurePolicy": {"Fail", "Ignore"},
    "parameterNotFoundAction": {"Allow", "Deny"},
}
_ACCESS_MODES = {"ReadWriteOnce", "ReadWriteOncePod"}
#: At least 1, where Kubernetes has no other lower bound.
_POSITIVE = ("periodSeconds", "timeoutSeconds", "failureThreshold")
_CLUSTER_WIDE = {
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def schema(manifests: Manifests) -> Iterator[str]:
    """Each object is one that Kubernetes takes, without a field that it does not know."""
    for one in manifests.objects:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(map(str, error.path))
                yield f"{who(one)}: {path}: {error.message} (Kubernetes {version})"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"{who(one)}: Kubernetes {version} has no {one['apiVersion']} {one['kind']}"


def names(manifests: Manifests) -> Iterator[str]:
    """Names are DNS labels, given once; what has a namespace is in the one of all."""
    seen: set[str] = set()
    namespaces = {one["metadata"].get("namespace") for one in manifests.workloads}
    if len(namespaces) != 1 or None in namespaces:
        yield f"workloads are in the namespaces {namespaces}"
    for one in manifests.objects:
        if who(one) in seen:
            yield f"{who(one)}: defined twice"
        seen.add(who(one))
        if not _LABEL.fullmatch(one["metadata"]["name"]):
            yield f"{who(one)}: the name is not a DNS label"
        namespace = one["metadata"].get("namespace")
        if one["kind"] in _CLUSTER_WIDE:
            if namespace is not None:
                yield f"{who(one)}: belongs to no namespace, but names {namespace}"
        elif namespace not in namespaces:
            yield f"{who(one)}: is in the namespace {namespace}"
    for one in manifests.of("Namespace"):
        if one["metadata"]["name"] not in namespaces:
            yield f"{who(one)}: nothing is in it"


def values(manifests: Manifests) -> Iterator[str]:
    """Enumerations, quantities and numbers of seconds that a schema leaves open."""
    for one in manifests.objects:
        for path, key, value in walk(one):
            if key in _CHOICES and value not in _CHOICES[key]:
                yield f"{who(one)}{path}: {value!r} is none of {sorted(_CHOICES[key])}"
            if key in ("cpu", "memory", "storage", "sizeLimit") and not _is_quantity(value):
                yield f"{who(one)}{path}: {value!r} is not a quantity"
            if key in _POSITIVE and value < 1:
                yield f"{who(one)}{path}: {value} is less than 1"
            if key == "accessModes" and not set(value) <= _ACCESS_MODES:
                yield f"{who(one)}{path}: {value} lets two pods have one volume"


def _is_quantity(value: object) -> bool:
    return isinstance(value, dict) or _QUANTITY.fullmatch(str(value)) is not None
