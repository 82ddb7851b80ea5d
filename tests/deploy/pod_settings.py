"""The settings that the process in a pod ends up with: its environment, and the real readers.

The environment is made as the kubelet makes it (envFrom, then env in order, with `$(NAME)` of what
stands before); then the own `main` of the service reads it, up to where it would start to run.
"""

import importlib
import io
import os
import re
import sys
from contextlib import redirect_stderr
from typing import Any
from unittest.mock import Mock, patch

from common.config.sources import Configuration, read_settings
from gateway_svc.config import GatewaySettings
from metadata_svc.config import MetadataSettings
from metadata_svc.store_config import StoreSettings
from partition_svc.config import PartitionSettings
from tests.deploy.manifests import Manifests, Object, Pod

#: What each service calls its own.
CLASSES: dict[str, type[Any]] = {
    "gateway_svc": GatewaySettings,
    "metadata_svc": MetadataSettings,
    "partition_svc": PartitionSettings,
}
#: Where the nodes are, as Kubernetes 1.35 copies it onto pods.
ZONE = "zone-a"

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_LABEL_FIELD = re.compile(r"metadata\.labels\['([^']+)'\]")


class NoSettings(Exception):
    """A pod cannot start with what it is given. The text says why."""


def service_of(pod: Pod) -> str:
    """The Python package that the pod runs. Raises NoSettings."""
    command = pod.container.get("command", [])
    if command[:2] != ["python", "-m"] or len(command) != 3 or command[2] not in CLASSES:
        raise NoSettings(f"the command {command} starts none of our services")
    return str(command[2])


def settings_of(pod: Pod, manifests: Manifests) -> Any:
    """An instance of the settings class of the pod's service. Raises NoSettings."""
    service = service_of(pod)
    return _read(service, environment(pod, manifests)).of(CLASSES[service])


def store_of(pod: Pod, manifests: Manifests) -> StoreSettings:
    """Store in which a metadata pod keeps its state. Raises NoSettings."""
    return _read(service_of(pod), environment(pod, manifests)).of(StoreSettings)


def environment(pod: Pod, manifests: Manifests) -> dict[str, str]:
    """The environment of the pod's container. Raises NoSettings."""
    result: dict[str, str] = {}
    for source in pod.container.get("envFrom", []):
        result |= _config_map(manifests, source["configMapRef"]["name"])
    for one in pod.container.get("env", []):
        if one["name"] in result:
            raise NoSettings(f"{one['name']} is given twice")
        result[one["name"]] = _value(one, pod, result)
    return result


def _config_map(manifests: Manifests, name: str) -> dict[str, str]:
    found = manifests.find("ConfigMap", name)
    if found is None:
        raise NoSettings(f"there is no ConfigMap {name}")
    return dict(found.get("data", {}))


def _value(one: Object, pod: Pod, before: dict[str, str]) -> str:
    if "valueFrom" in one:
        return _field(one["valueFrom"]["fieldRef"]["fieldPath"], pod)
    text = str(one["value"])
    unknown = [name for name in _REFERENCE.findall(text) if name not in before]
    if unknown:
        raise NoSettings(f"{one['name']} refers to {unknown[0]}, which does not stand before it")
    return _REFERENCE.sub(lambda match: before[match[1]], text)


def _field(path: str, pod: Pod) -> str:
    fields = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "status.podIP": pod.ip,
    }
    label = _LABEL_FIELD.fullmatch(path)
    labels = {**pod.labels, "topology.kubernetes.io/zone": ZONE}
    if label is not None and label[1] in labels:
        return labels[label[1]]
    if path not in fields:
        raise NoSettings(f"a pod has no field {path}")
    return fields[path]


def _read(service: str, given: dict[str, str]) -> Configuration:
    main = importlib.import_module(f"{service}.__main__")
    read: list[Configuration] = []

    def reading(*args: Any, **more: Any) -> Configuration:
        read.append(read_settings(*args, **more))
        return read[-1]

    errors = io.StringIO()
    with (
        patch.object(main, "read_settings", reading),
        patch.object(main, "run", Mock(return_value=0)),
        patch.dict(os.environ, given, clear=True),
        patch.object(sys, "argv", [service]),
        redirect_stderr(errors),
    ):
        try:
            main.main()
        except SystemExit:
            raise NoSettings(errors.getvalue().strip()) from None
    return read[0]
