"""Rules of the scale-down guard: it exists, is in force, and guards the partition StatefulSet."""

from collections.abc import Iterator, Sequence

from tests.deploy.manifests import Manifests, Object, identify, selects


def guard(manifests: Manifests) -> Iterator[str]:
    """A bound policy over the partition StatefulSet and its scale denies requests."""
    bindings = manifests.of("ValidatingAdmissionPolicyBinding")
    policies = manifests.of("ValidatingAdmissionPolicy")
    if not policies:
        yield "no ValidatingAdmissionPolicy guards the partition services"
    for policy in policies:
        spec = policy["spec"]
        if spec.get("failurePolicy", "Fail") != "Fail":
            yield f"{identify(policy)}: lets through requests that it cannot evaluate"
        for rule in spec["matchConstraints"]["resourceRules"]:
            if set(rule["resources"]) != {"statefulsets", "statefulsets/scale"}:
                yield f"{identify(policy)}: is about {rule['resources']}"
            for name in rule.get("resourceNames", []):
                if manifests.find("StatefulSet", name) is None:
                    yield f"{identify(policy)}: there is no StatefulSet {name}"
        name = policy["metadata"]["name"]
        bound = [item["spec"] for item in bindings if item["spec"]["policyName"] == name]
        if [spec["validationActions"] for spec in bound] != [["Deny"]]:
            yield f"{identify(policy)}: no binding makes it deny"
    namespaces = {item["metadata"]["namespace"] for item in manifests.of("StatefulSet")}
    for namespace in namespaces:
        yield from _check_namespace([*policies, *bindings], namespace)


def _check_namespace(objects: Sequence[Object], namespace: str) -> Iterator[str]:
    """Checks that installations in two namespaces have separate guards with different names."""
    for item in objects:
        if not item["metadata"]["name"].endswith(f"-{namespace}"):
            yield f"{identify(item)}: does not have the namespace {namespace} in its name"
        if item["kind"] == "ValidatingAdmissionPolicyBinding":
            selector = item["spec"].get("matchResources", {}).get("namespaceSelector")
            if not selector:
                yield f"{identify(item)}: selects every namespace"
            elif not selects(selector, {"kubernetes.io/metadata.name": namespace}):
                yield f"{identify(item)}: does not select namespace {namespace}"
