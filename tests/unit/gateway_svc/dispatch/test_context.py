from gateway_svc.dispatch.context import Peer


def test_peer_is_formatted_as_its_address():
    assert str(Peer("A", "10.0.0.1", 5, "10.0.0.2")) == "10.0.0.1:5"
