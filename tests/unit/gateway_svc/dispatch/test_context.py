from gateway_svc.dispatch.context import Peer


def test_a_peer_is_written_as_its_address():
    assert str(Peer("A", "10.0.0.1", 5, "10.0.0.2")) == "10.0.0.1:5"
