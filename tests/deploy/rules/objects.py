"""Rules of single objects: schema, names, units, namespaces."""

import re
from collections.abc import Iterator

import kubernetes_validate

from tests.deploy.manifests import Manifests, identify, walk

#: The oldest Kubernetes that docs/operations.md supports, and the newest that was tested.
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
#: Fields that must be at least 1.
_POSITIVE = ("periodSeconds", "timeoutSeconds", "failureThreshold")
_CLUSTER_WIDE = {
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def schema(manifests: Manifests) -> Iterator[str]:
    """Kubernetes accepts each object, and knows all its fields."""
    for item in manifests.objects:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(map(str, error.path))
                yield f"{identify(item)}: {path}: {error.message} (Kubernetes {version})"
            except kubernetes_validate.SchemaNotFoundError:
                kind = f"{item['apiVersion']} {item['kind']}"
                yield f"{identify(item)}: Kubernetes {version} has no {kind}"


def names(manifests: Manifests) -> Iterator[str]:
    """Names are unique DNS labels; all objects that have a namespace share it."""
    seen: set[str] = set()
    namespaces = {item["metadata"].get("namespace") for item in manifests.workloads}
    if len(namespaces) != 1 or None in namespaces:
        yield f"workloads are in the namespaces {namespaces}"
    for item in manifests.objects:
        if identify(item) in seen:
            yield f"{identify(item)}: defined twice"
        seen.add(identify(item))
        if not _LABEL.fullmatch(item["metadata"]["name"]):
            yield f"{identify(item)}: the name is not a DNS label"
        namespace = item["metadata"].get("namespace")
        if item["kind"] in _CLUSTER_WIDE:
            if namespace is not None:
                yield f"{identify(item)}: belongs to no namespace, but names {namespace}"
        elif namespace not in namespaces:
            yield f"{identify(item)}: is in the namespace {namespace}"
    for item in manifests.of("Namespace"):
        if item["metadata"]["name"] not in namespaces:
            yield f"{identify(item)}: nothing is in it"


def values(manifests: Manifests) -> Iterator[str]:
    """Enumerations, quantities and seconds are valid, which the schema does not check."""
    for item in manifests.objects:
        for path, key, value in walk(item):
            if key in _CHOICES and value not in _CHOICES[key]:
                yield f"{identify(item)}{path}: {value!r} is none of {sorted(_CHOICES[key])}"
            if key in ("cpu", "memory", "storage", "sizeLimit") and not _is_quantity(value):
                yield f"{identify(item)}{path}: {value!r} is not a quantity"
            if key in _POSITIVE and value < 1:
                yield f"{identify(item)}{path}: {value} is less than 1"
            if key == "accessModes" and not set(value) <= _ACCESS_MODES:
                yield f"{identify(item)}{path}: {value} lets two pods share a volume"


def _is_quantity(value: object) -> bool:
    return isinstance(value, dict) or _QUANTITY.fullmatch(str(value)) is not None
