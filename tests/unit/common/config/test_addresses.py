import pytest

from common.config.addresses import (
    bindable,
    host_and_port,
    is_wildcard,
    metadata_address_setting,
)
from common.config.settings import declared, settings


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("localhost:9092", "localhost", 9092),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::1]:9092", "[::1]", 9092),
        ("broker-1.example:65535", "broker-1.example", 65535),
    ],
)
def test_an_address_is_host_and_port(address, host, port):
    assert host_and_port(address) == (host, port)


@pytest.mark.parametrize(
    "address", ["", "localhost", ":9092", "a:b", "a:65536", "::1:9092", "a:1 "]
)
def test_text_that_is_not_host_and_port_is_refused(address):
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        host_and_port(address)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "[::]"])
def test_a_wildcard_host_means_every_address(host):
    assert is_wildcard(host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "0.0.0.1"])
def test_a_host_that_clients_can_reach_is_no_wildcard(host):
    assert not is_wildcard(host)


@pytest.mark.parametrize(
    ("host", "expected"), [("", "0.0.0.0"), ("::1", "[::1]"), ("[::1]", "[::1]"), ("a.b", "a.b")]
)
def test_a_host_is_written_so_that_a_port_can_follow(host, expected):
    assert bindable(host) == expected


def test_the_setting_is_declared_with_its_name_and_default():
    @settings
    class Example:
        metadata_address: str = metadata_address_setting()

    (declared_once,) = declared(Example)
    assert (declared_once.name, declared_once.flag) == ("metadata.address", "--metadata")
    assert Example().metadata_address == "localhost:9392"
