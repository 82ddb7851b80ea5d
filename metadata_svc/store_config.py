"""Settings that say where metadata is kept: on this machine's disk, or in etcd."""

from collections.abc import Sequence
from pathlib import Path

from common.config.settings import setting, settings
from common.config.values import INT_MAX
from common.etcd.client import Tls

ROCKSDB = "rocksdb"
ETCD = "etcd"


def _addresses(endpoints: Sequence[str]) -> str | None:
    for endpoint in endpoints:
        host, _, port = endpoint.rpartition(":")
        if not host or not port.isdecimal() or "/" in endpoint:
            return f"{endpoint!r} is not host:port"
    return None


def _prefix(prefix: str) -> str | None:
    return None if prefix.endswith("/") else "it must end with /"


@settings
class StoreSettings:
    """Where the metadata service keeps its state."""

    store: str = setting(
        "metadata.store",
        default=ROCKSDB,
        choices=(ROCKSDB, ETCD),
        doc="'rocksdb': in data.dir, for one metadata service. 'etcd': there, for several, of "
        "which one leads and the others stand by.",
    )
    endpoints: tuple[str, ...] = setting(
        "etcd.endpoints",
        default=(),
        check=_addresses,
        doc="host:port of each member of etcd.",
    )
    prefix: str = setting(
        "etcd.prefix",
        default="/ringlog/",
        check=_prefix,
        doc="What all keys begin with: one for each ringlog cluster that shares an etcd.",
    )
    session_timeout_ms: int = setting(
        "etcd.session.timeout.ms",
        default=6_000,
        low=2_000,
        high=INT_MAX,
        unit="ms",
        doc="How long a leader that is not heard of stays leader, in whole seconds (rounded up).",
    )
    ssl_ca: str = setting(
        "etcd.ssl.ca.location",
        default="",
        doc="PEM file of the authority of etcd's certificates; empty: no TLS.",
    )
    ssl_certificate: str = setting(
        "etcd.ssl.certificate.location",
        default="",
        doc="PEM file of the certificate that etcd is shown; its common name is the user there.",
    )
    ssl_key: str = setting(
        "etcd.ssl.key.location", default="", doc="PEM file of that certificate's key."
    )

    def __post_init__(self) -> None:
        ssl = (self.ssl_ca, self.ssl_certificate, self.ssl_key)
        if self.store == ETCD and not self.endpoints:
            raise ValueError("metadata.store=etcd needs etcd.endpoints")
        if self.store != ETCD and (self.endpoints or any(ssl)):
            raise ValueError("etcd.endpoints and etcd.ssl.* need metadata.store=etcd")
        if bool(self.ssl_certificate) != bool(self.ssl_key):
            raise ValueError("etcd.ssl.certificate.location and etcd.ssl.key.location go together")
        if self.ssl_certificate and not self.ssl_ca:
            raise ValueError("etcd.ssl.certificate.location needs etcd.ssl.ca.location")

    @property
    def ttl_s(self) -> int:
        """Of the lease."""
        return -(-self.session_timeout_ms // 1000)

    @property
    def tls(self) -> Tls | None:
        if not self.ssl_ca:
            return None
        return Tls(
            ca=Path(self.ssl_ca),
            certificate=Path(self.ssl_certificate) if self.ssl_certificate else None,
            key=Path(self.ssl_key) if self.ssl_key else None,
        )
