"""The addresses that the standalone process takes."""

import pytest

from common.config.settings import WrongSetting, build
from ringlog.config import StandaloneSettings, host_and_port


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
def test_anything_else_is_refused_by_name(address):
    with pytest.raises(WrongSetting, match="listen"):
        build(StandaloneSettings, {"listen": address})
