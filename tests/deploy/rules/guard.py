"""Rules of the scale-down guard: it is there, in force, and about our StatefulSet."""

from collections.abc import Iterator, Sequence

from tests.deploy.manifests import Manifests, Object, selects, who


def guard(manifests: Manifests) -> Iterator[str]:
    """A policy over the partition StatefulSet and its scale, which is bound and denies."""
    bindings = manifests.of("ValidatingAdmissionPolicyBinding")
    policies = manifests.of("ValidatingAdmissionPolicy")
    if not policies:
        yield "no ValidatingAdmissionPolicy guards the partition services"
    for policy in policies:
        spec = policy["spec"]
        if spec.get("failurePolicy", "Fail") != "Fail":
            yield f"{who(policy)}: lets through requests that it cannot evaluate"
        for rule in spec["matchConstraints"]["resourceRules"]:
            if set(rule["resources"]) != {"statefulsets", "statefulsets/scale"}:
                yield f"{who(policy)}: is about {rule['resources']}"
            for name in rule.get("resourceNames", []):
                if manifests.find("StatefulSet", name) is None:
                    yield f"{who(policy)}: there is no StatefulSet {name}"
        bound = [one for one in bindings if one["spec"]["policyName"] == policy["metadata"]["name"]]
        if [one["spec"]["validationActions"] for one in bound] != [["Deny"]]:
            yield f"{who(policy)}: no binding makes it deny"
    namespaces = {one["metadata"]["namespace"] for one in manifests.of("StatefulSet")}
    for namespace in namespaces:
        yield from _of_one_namespace([*policies, *bindings], namespace)


def _of_one_namespace(objects: Sequence[Object], namespace: str) -> Iterator[str]:
    """Checks that another installation has a guard of another name, and that both stay apart."""
    for found in objects:
        if not found["metadata"]["name"].endswith(f"-{namespace}"):
            yield f"{who(found)}: does not have the namespace {namespace} in its name"
        if found["kind"] == "ValidatingAdmissionPolicyBinding":
            selector = found["spec"].get("matchResources", {}).get("namespaceSelector")
            if not selector:
                yield f"{who(found)}: selects every namespace"
            elif not selects(selector, {"kubernetes.io/metadata.name": namespace}):
                yield f"{who(found)}: does not select namespace {namespace}"
