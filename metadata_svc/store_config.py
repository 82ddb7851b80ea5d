"""Settings of the metadata store: on the local disk, or in etcd."""

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
    """The store of the metadata service."""

    store: str = setting(
        "metadata.store",
        default=ROCKSDB,
        choices=(ROCKSDB, ETCD),
        doc="'rocksdb': in data.dir, for a single metadata service. 'etcd': in etcd, for several "
        "metadata services: one leads, the others stand by.",
    )
    endpoints: tuple[str, ...] = setting(
        "etcd.endpoints",
        default=(),
        check=_addresses,
        doc="host:port of each etcd member.",
    )
    prefix: str = setting(
        "etcd.prefix",
        default="/ringlog/",
        check=_prefix,
        doc="Prefix of all keys; different for each ringlog cluster that shares an etcd.",
    )
    session_timeout_ms: int = setting(
        "etcd.session.timeout.ms",
        default=6_000,
        low=2_000,
        high=INT_MAX,
        unit="ms",
        doc="Time after which an unreachable leader is replaced; rounded up to whole seconds.",
    )
    ssl_ca: str = setting(
        "etcd.ssl.ca.location",
        default="",
        doc="PEM file with the CA certificates that etcd's certificate is verified against; "
        "empty: no TLS.",
    )
    ssl_certificate: str = setting(
        "etcd.ssl.certificate.location",
        default="",
        doc="PEM file of the client certificate; its common name is the user in etcd.",
    )
    ssl_key: str = setting(
        "etcd.ssl.key.location", default="", doc="PEM file of the client certificate's key."
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
        """Returns the time to live of the leader's etcd lease, in seconds."""
        return -(-self.session_timeout_ms // 1000)

    @property
    def tls(self) -> Tls | None:
        """Returns the TLS files, or None for plaintext."""
        if not self.ssl_ca:
            return None
        return Tls(
            ca=Path(self.ssl_ca),
            certificate=Path(self.ssl_certificate) if self.ssl_certificate else None,
            key=Path(self.ssl_key) if self.ssl_key else None,
        )
