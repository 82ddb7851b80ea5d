"""The effective settings of the process in a pod, read by the code of the service.

The environment is built as the kubelet does (envFrom, then env in order; `$(NAME)` refers to an
earlier variable). Then the `main` of the service reads it, up to where it would start to run.
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

#: The settings class of each service.
CLASSES: dict[str, type[Any]] = {
    "gateway_svc": GatewaySettings,
    "metadata_svc": MetadataSettings,
    "partition_svc": PartitionSettings,
}
#: The zone of the nodes, which Kubernetes 1.35 copies to labels of pods.
ZONE = "zone-a"

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_LABEL_FIELD = re.compile(r"metadata\.labels\['([^']+)'\]")


class NoSettings(Exception):
    """Raised if a pod cannot start with its settings. The text says why."""


def service_of(pod: Pod) -> str:
    """Returns the Python package that the pod runs. Raises NoSettings."""
    command = pod.container.get("command", [])
    if command[:2] != ["python", "-m"] or len(command) != 3 or command[2] not in CLASSES:
        raise NoSettings(f"the command {command} starts no service of ringlog")
    return str(command[2])


def settings_of(pod: Pod, manifests: Manifests) -> Any:
    """Returns an instance of the settings class of the pod's service. Raises NoSettings."""
    service = service_of(pod)
    return _read(service, environment(pod, manifests)).of(CLASSES[service])


def store_of(pod: Pod, manifests: Manifests) -> StoreSettings:
    """Returns the store settings of a metadata pod. Raises NoSettings."""
    return _read(service_of(pod), environment(pod, manifests)).of(StoreSettings)


def environment(pod: Pod, manifests: Manifests) -> dict[str, str]:
    """Returns the environment of the pod's container. Raises NoSettings."""
    result: dict[str, str] = {}
    for source in pod.container.get("envFrom", []):
        result |= _config_map(manifests, source["configMapRef"]["name"])
    for variable in pod.container.get("env", []):
        if variable["name"] in result:
            raise NoSettings(f"{variable['name']} is set twice")
        result[variable["name"]] = _value(variable, pod, result)
    return result


def _config_map(manifests: Manifests, name: str) -> dict[str, str]:
    config_map = manifests.find("ConfigMap", name)
    if config_map is None:
        raise NoSettings(f"there is no ConfigMap {name}")
    return dict(config_map.get("data", {}))


def _value(variable: Object, pod: Pod, earlier: dict[str, str]) -> str:
    if "valueFrom" in variable:
        return _field(variable["valueFrom"]["fieldRef"]["fieldPath"], pod)
    text = str(variable["value"])
    unknown = [name for name in _REFERENCE.findall(text) if name not in earlier]
    if unknown:
        raise NoSettings(f"{variable['name']} refers to {unknown[0]}, which is not defined earlier")
    return _REFERENCE.sub(lambda match: earlier[match[1]], text)


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


def _read(service: str, variables: dict[str, str]) -> Configuration:
    main = importlib.import_module(f"{service}.__main__")
    read: list[Configuration] = []

    def record(*args: Any, **kwargs: Any) -> Configuration:
        read.append(read_settings(*args, **kwargs))
        return read[-1]

    errors = io.StringIO()
    with (
        patch.object(main, "read_settings", record),
        patch.object(main, "run", Mock(return_value=0)),
        patch.dict(os.environ, variables, clear=True),
        patch.object(sys, "argv", [service]),
        redirect_stderr(errors),
    ):
        try:
            main.main()
        except SystemExit:
            raise NoSettings(errors.getvalue().strip()) from None
    return read[0]
