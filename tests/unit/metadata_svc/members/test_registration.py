from common.ports.metadata import Endpoint, Gateway, Member
from metadata_svc.members.registration import describe, identity

GATEWAY = Gateway(0, (Endpoint("A", "h", 1), Endpoint("B", "i", 2)))


def test_identity_is_the_node_id_of_a_gateway_or_the_name_of_a_member():
    assert identity(GATEWAY) == identity(Gateway(0, ())) == "gateway/0"
    assert identity(Member("0", "a:1")) == identity(Member("0", "b:1")) == "member/0"


def test_a_description_has_name_and_address():
    assert describe(GATEWAY) == "gateway 0 (h:1, i:2)"
    assert describe(Member("p", "a:1")) == "partition service p (a:1)"
