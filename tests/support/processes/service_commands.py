"""Command lines of the three services, each with the settings that it declares."""

import sys
from collections.abc import Mapping
from pkgutil import resolve_name

from common.config.settings import declared

#: Classes in which each service declares its settings.
_SETTINGS = {
    "metadata": (
        "metadata_svc.config:MetadataSettings",
        "metadata_svc.config:TopicDefaults",
        "metadata_svc.store_config:StoreSettings",
    ),
    "partition": ("partition_svc.config:PartitionSettings",),
    "gateway": ("gateway_svc.config:GatewaySettings",),
}


def dotted(settings: Mapping[str, str]) -> dict[str, str]:
    """Converts keyword arguments to settings: log_flush_bytes becomes log.flush.bytes."""
    return {name.replace("_", "."): value for name, value in settings.items()}


def service_command(service: str, own: Mapping[str, str], shared: Mapping[str, str]) -> list[str]:
    """Returns the command of "metadata", "partition" or "gateway".

    It has the `own` settings, and those `shared` ones that the service declares: a service does not
    start with unknown settings.
    """
    classes = map(resolve_name, _SETTINGS[service])
    known = {setting.name for cls in classes for setting in declared(cls)}
    applicable = {name: value for name, value in shared.items() if name in known}
    return [sys.executable, "-m", f"{service}_svc", *set_arguments({**own, **applicable})]


def set_arguments(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
