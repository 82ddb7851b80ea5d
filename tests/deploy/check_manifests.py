"""Checks rendered manifests with all rules, and lists the findings.

    kubectl kustomize deploy/k8s/overlays/production | python -m tests.deploy.check_manifests

prints the findings, or the number of objects if there are none. It exits with 1 if there are any.
"""

import sys
from collections.abc import Callable, Iterator, Sequence

from tests.deploy.manifests import Manifests, Object, load
from tests.deploy.rules import guard, network, objects, pods, settings

Rule = Callable[[Manifests], Iterator[str]]

RULES: tuple[Rule, ...] = (
    objects.schema,
    objects.names,
    objects.values,
    pods.workloads,
    pods.volumes,
    pods.probes,
    pods.confinement,
    pods.spreading,
    pods.disruptions,
    settings.readable,
    settings.config_maps,
    settings.listening,
    settings.addresses,
    settings.brokers,
    settings.data,
    settings.draining,
    network.services,
    network.policies,
    network.paths,
    network.etcd,
    guard.guard,
)


def find_problems(objects: Sequence[Object], rules: Sequence[Rule] = RULES) -> list[str]:
    """Returns findings about the objects of one installation, a line each, with the rule's name."""
    manifests = Manifests(objects)
    return [line for rule in rules for line in _lines(rule, manifests)]


def _lines(rule: Rule, manifests: Manifests) -> list[str]:
    try:
        return [f"{rule.__name__}: {line}" for line in rule(manifests)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # A malformed object; `schema` reports the details.
        return [f"{rule.__name__}: cannot be checked: {type(error).__name__} {error}"]


def main() -> int:
    objects = load(sys.stdin.read())
    found = find_problems(objects)
    sys.stdout.write("\n".join(found or [f"{len(objects)} objects, nothing found"]) + "\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
