from gateway_svc.cluster.authorized_operations import CLUSTER_OPERATIONS, TOPIC_OPERATIONS


def test_operation_bits_are_the_codes_of_acl_operations():
    # The values of Apache Kafka 4 without an authorizer.
    assert TOPIC_OPERATIONS == 0b1101_1111_1000
    assert CLUSTER_OPERATIONS == 0b1_1111_1010_0000
