"""Everything that rendered manifests are checked for, as a list of findings.

    kubectl kustomize deploy/k8s/overlays/production | python -m tests.deploy.check_manifests

prints the findings, or how much there was to check, and ends with status 1 where it found any.
"""

import sys
from collections.abc import Callable, Iterator, Sequence

from tests.deploy import (
    rules_guard,
    rules_network,
    rules_objects,
    rules_pods,
    rules_settings,
)
from tests.deploy.manifests import Manifests, Object, load

Rule = Callable[[Manifests], Iterator[str]]

RULES: tuple[Rule, ...] = (
    rules_objects.schema,
    rules_objects.names,
    rules_objects.values,
    rules_pods.workloads,
    rules_pods.volumes,
    rules_pods.probes,
    rules_pods.confinement,
    rules_pods.spreading,
    rules_pods.disruptions,
    rules_settings.readable,
    rules_settings.config_maps,
    rules_settings.listening,
    rules_settings.addresses,
    rules_settings.brokers,
    rules_settings.data,
    rules_settings.draining,
    rules_network.services,
    rules_network.policies,
    rules_network.paths,
    rules_network.etcd,
    rules_guard.guard,
)


def findings(objects: Sequence[Object], rules: Sequence[Rule] = RULES) -> list[str]:
    """What is wrong with the objects of one installation, a line each, with the rule's name."""
    manifests = Manifests(objects)
    return [line for rule in rules for line in _lines(rule, manifests)]


def _lines(rule: Rule, manifests: Manifests) -> list[str]:
    try:
        return [f"{rule.__name__}: {line}" for line in rule(manifests)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # An object that is not of its shape; `schema` says what is wrong with it.
        return [f"{rule.__name__}: cannot be checked: {type(error).__name__} {error}"]


def main() -> int:
    objects = load(sys.stdin.read())
    found = findings(objects)
    sys.stdout.write("\n".join(found or [f"{len(objects)} objects, nothing found"]) + "\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
