"""Versions that are compared: those that both have, of each API that ringlog serves."""

from tests.support.clients.raw_client import API_VERSIONS, RawClient
from tests.support.wire.advertised import ADVERTISED, KIO_FROM
from tests.support.wire.kio_client import ask

#: Kafka's versions that ringlog does not serve, with the reason.
NOT_SERVED = {
    (
        API_VERSIONS,
        5,
    ): "clients may know a gateway behind a load balancer by the id of another (KIP-1242)",
}


def test_ringlog_serves_every_version_that_kafka_serves(brokers):
    kafka, _ = brokers
    with RawClient(kafka) as client:
        values = {"client_software_name": "tests", "client_software_version": "1"}
        response = ask(client, API_VERSIONS, 4, values)
    theirs = {api.api_key: range(api.min_version, api.max_version + 1) for api in response.api_keys}
    for api_key, (first, last) in ADVERTISED.items():
        missing = set(theirs[api_key]) - set(range(first, last + 1))
        assert missing == {version for key, version in NOT_SERVED if key == api_key}, api_key
        # Only versions that kio knows are compared.
        assert KIO_FROM.get(api_key, 0) in theirs[api_key]
