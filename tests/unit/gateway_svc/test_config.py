import pytest

from common.config.settings import InvalidSetting, build, declared
from gateway_svc.config import GatewaySettings, ListenerAddress, parse_listener


def settings(**raw: object) -> GatewaySettings:
    return build(GatewaySettings, {name.replace("_", "."): value for name, value in raw.items()})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("PLAINTEXT://localhost:9092", ("PLAINTEXT", "localhost", 9092)),
        ("internal://:9092", ("INTERNAL", "", 9092)),
        ("A_B-1.x://10.0.0.1:0", ("A_B-1.X", "10.0.0.1", 0)),
        ("EXTERNAL://[::1]:65535", ("EXTERNAL", "::1", 65535)),
    ],
)
def test_parse_listener_returns_name_host_and_port(text, address):
    assert parse_listener(text) == ListenerAddress(*address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:9092",
        "A://host",
        "A://host:",
        "A://host:65536",
        "A://::1:9092",
        "://:1",
        "A:/:1",
    ],
)
def test_parse_listener_rejects_other_text(text):
    with pytest.raises(ValueError, match="NAME://host:port"):
        parse_listener(text)


def test_advertised_addresses_belong_to_listeners_by_name():
    gateway = settings(
        listeners="INTERNAL://:9092,EXTERNAL://:9094",
        advertised_listeners="EXTERNAL://kafka.example:19094",
    )
    assert gateway.bound == (
        ListenerAddress("INTERNAL", "", 9092),
        ListenerAddress("EXTERNAL", "", 9094),
    )
    assert gateway.advertised("EXTERNAL") == ListenerAddress("EXTERNAL", "kafka.example", 19094)
    assert gateway.advertised("INTERNAL") is None


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"listeners": ""}, "at least one"),
        ({"listeners": "A://:1,a://:2"}, "more than one listener A"),
        ({"listeners": "A://:1", "advertised_listeners": "B://h:1"}, "is not one of listeners"),
        ({"advertised_listeners": "PLAINTEXT://0.0.0.0:9092"}, "clients can connect to"),
        ({"advertised_listeners": "PLAINTEXT://:9092"}, "clients can connect to"),
        ({"advertised_listeners": "PLAINTEXT://host:0"}, "clients can connect to"),
        ({"node_id": "-1"}, "node.id must be"),
        ({"socket_request_max_bytes": "10"}, "socket.request.max.bytes must be"),
    ],
)
def test_invalid_settings_are_rejected_with_the_reason(raw, message):
    with pytest.raises(InvalidSetting, match=message):
        settings(**raw)


def test_defaults_are_valid():
    for setting in declared(GatewaySettings):
        if setting.default is not None:
            assert setting.parse(setting.default) == setting.default
