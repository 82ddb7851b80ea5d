from pathlib import Path

import pytest

from common.config.settings import InvalidSetting, build
from common.etcd.client import Tls
from metadata_svc.store_config import StoreSettings

ETCD = {"metadata.store": "etcd", "etcd.endpoints": "etcd-0:2379,etcd-1:2379"}


def test_default_store_is_rocksdb_without_etcd_settings():
    settings = build(StoreSettings, {})
    assert (settings.store, settings.endpoints, settings.tls) == ("rocksdb", (), None)


def test_etcd_settings_have_endpoints_a_prefix_and_a_lease_in_whole_seconds():
    settings = build(StoreSettings, {**ETCD, "etcd.session.timeout.ms": "2500"})
    assert settings.endpoints == ("etcd-0:2379", "etcd-1:2379")
    assert (settings.prefix, settings.ttl_s, settings.tls) == ("/ringlog/", 3, None)


def test_tls_settings_name_its_files():
    files = {"etcd.ssl.ca.location": "ca.pem"}
    assert build(StoreSettings, {**ETCD, **files}).tls == Tls(ca=Path("ca.pem"))
    files |= {"etcd.ssl.certificate.location": "own.pem", "etcd.ssl.key.location": "own.key"}
    assert build(StoreSettings, {**ETCD, **files}).tls == Tls(
        ca=Path("ca.pem"), certificate=Path("own.pem"), key=Path("own.key")
    )


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"metadata.store": "zookeeper"}, "metadata.store must be one of rocksdb, etcd"),
        ({"metadata.store": "etcd"}, "metadata.store=etcd needs etcd.endpoints"),
        ({"etcd.endpoints": "etcd:2379"}, "need metadata.store=etcd"),
        ({"etcd.ssl.ca.location": "ca.pem"}, "need metadata.store=etcd"),
        ({**ETCD, "etcd.endpoints": "http://etcd:2379"}, "'http://etcd:2379' is not host:port"),
        ({**ETCD, "etcd.endpoints": "etcd"}, "'etcd' is not host:port"),
        ({**ETCD, "etcd.endpoints": "etcd:"}, "'etcd:' is not host:port"),
        ({**ETCD, "etcd.prefix": "/ringlog"}, "etcd.prefix: it must end with /"),
        ({**ETCD, "etcd.session.timeout.ms": "1999"}, "etcd.session.timeout.ms must be"),
        ({**ETCD, "etcd.ssl.key.location": "own.key"}, "go together"),
        ({**ETCD, "etcd.ssl.certificate.location": "own.pem"}, "go together"),
        (
            {
                **ETCD,
                "etcd.ssl.certificate.location": "own.pem",
                "etcd.ssl.key.location": "own.key",
            },
            "needs etcd.ssl.ca.location",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_a_reason(raw, problem):
    with pytest.raises(InvalidSetting, match=problem):
        build(StoreSettings, raw)
