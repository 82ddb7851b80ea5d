"""The guard of scaling down: evaluates its CEL expressions as an API server does.

The input of the expressions follows the types of the API server: AdmissionRequest
(admission.k8s.io/v1), and for `kubectl scale` an autoscaling/v1 Scale, which has the selector as
text, no labels, no generation, and no `replicas` if they are 0.
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
        variables_by_name = {
            name: json_to_cel(value)
            for name, value in (("object", new), ("oldObject", old), ("request", request))
        }
        conditions = (condition["expression"] for condition in self._spec["matchConditions"])
        if not all(_evaluate(condition, variables_by_name) for condition in conditions):
            return None
        variables = celpy.celtypes.MapType()
        variables_by_name["variables"] = variables
        for variable in self._spec["variables"]:
            value = _evaluate(variable["expression"], variables_by_name)
            variables[celpy.celtypes.StringType(variable["name"])] = value
        (validation,) = self._spec["validations"]
        if _evaluate(validation["expression"], variables_by_name):
            return None
        return str(_evaluate(validation["messageExpression"], variables_by_name))

    def update(self, before, after, annotations=None, **changed):
        """Returns the refusal of a change by `kubectl apply`, `edit` or `patch`, or None."""
        old = self._stateful_set(before, {}, **changed)
        new = self._stateful_set(after, annotations, **changed)
        return self.refusal(old, new, request={"namespace": "ringlog"})

    def _stateful_set(self, replicas, annotations, *, labels=None):
        workload = self.stateful_set
        metadata = {**workload["metadata"], "generation": 7}
        if annotations is not None:
            metadata["annotations"] = annotations
        selector = workload["spec"]["selector"] if labels is None else labels
        spec = {**workload["spec"], "replicas": replicas, "selector": selector}
        return {**workload, "metadata": metadata, "spec": spec}

    def scale(self, before, after, selector=None):
        """Returns the refusal of a change by `kubectl scale` or an autoscaler, or None."""
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


def _evaluate(expression, variables):
    environment = celpy.Environment()
    return environment.program(environment.compile(expression)).evaluate(variables)
