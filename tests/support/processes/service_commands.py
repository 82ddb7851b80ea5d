"""Command lines of the three services: each is given the settings that it declares."""

import sys
from collections.abc import Mapping
from pkgutil import resolve_name

from common.config.settings import declared

#: Where each service declares its settings.
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
    """Settings as keyword arguments have them: log_flush_bytes is log.flush.bytes."""
    return {name.replace("_", "."): value for name, value in settings.items()}


def service_command(service: str, own: Mapping[str, str], shared: Mapping[str, str]) -> list[str]:
    """Runs "metadata", "partition" or "gateway" with its `own` settings and those of `shared` that
    it declares: it refuses to start with others.
    """
    classes = map(resolve_name, _SETTINGS[service])
    known = {one.name for cls in classes for one in declared(cls)}
    fitting = {name: value for name, value in shared.items() if name in known}
    return [sys.executable, "-m", f"{service}_svc", *set_arguments({**own, **fitting})]


def set_arguments(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
