"""The guard of scaling down, asked as an API server asks it: its CEL is evaluated for real.

What the API server hands to the expressions is written down from its types: AdmissionRequest
(admission.k8s.io/v1), and for `kubectl scale` an autoscaling/v1 Scale, which has the selector as
text, no labels, no generation, and no `replicas` where they are 0.
"""

import celpy
from celpy.adapter import json_to_cel

from tests.deploy.manifests import K8S, Manifests, render


class Guard:
    """The policy's expressions, evaluated in the order of the API server."""

    def __init__(self):
        rendered = Manifests(render(K8S / "overlays" / "production"))
        self._spec = rendered.of("ValidatingAdmissionPolicy")[0]["spec"]
        self.stateful_set = rendered.find("StatefulSet", "partition")

    def refusal(self, old, new, *, request):
        """Reason for which the change is refused, or None. Changes outside the policy pass."""
        known = {
            name: json_to_cel(value)
            for name, value in (("object", new), ("oldObject", old), ("request", request))
        }
        conditions = (one["expression"] for one in self._spec["matchConditions"])
        if not all(_evaluated(one, known) for one in conditions):
            return None
        variables = celpy.celtypes.MapType()
        known["variables"] = variables
        for one in self._spec["variables"]:
            variables[celpy.celtypes.StringType(one["name"])] = _evaluated(one["expression"], known)
        (validation,) = self._spec["validations"]
        if _evaluated(validation["expression"], known):
            return None
        return str(_evaluated(validation["messageExpression"], known))

    def update(self, before, after, annotations=None, **changed):
        """A change of the StatefulSet, as of `kubectl apply`, `edit` or `patch`."""
        old = self._stateful_set(before, {}, **changed)
        new = self._stateful_set(after, annotations, **changed)
        return self.refusal(old, new, request={"namespace": "ringlog"})

    def _stateful_set(self, replicas, annotations, *, labels=None):
        found = self.stateful_set
        metadata = {**found["metadata"], "generation": 7}
        if annotations is not None:
            metadata["annotations"] = annotations
        selector = found["spec"]["selector"] if labels is None else labels
        spec = {**found["spec"], "replicas": replicas, "selector": selector}
        return {**found, "metadata": metadata, "spec": spec}

    def scale(self, before, after, selector=None):
        """A change of the scale subresource, as of `kubectl scale` or an autoscaler."""
        if selector is None:
            labels = self.stateful_set["spec"]["selector"]["matchLabels"]
            selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        request = {"namespace": "ringlog", "subResource": "scale"}
        old, new = _scale(before, selector), _scale(after, selector)
        return self.refusal(old, new, request=request)


def _scale(replicas, selector):
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "partition", "namespace": "ringlog", "resourceVersion": "5"},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {"replicas": replicas, "selector": selector} if selector else {"replicas": 3},
    }


def _evaluated(expression, known):
    compiling = celpy.Environment()
    return compiling.program(compiling.compile(expression)).evaluate(known)
