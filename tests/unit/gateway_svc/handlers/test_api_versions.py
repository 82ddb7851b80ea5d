import pytest

from gateway_svc.handlers.api_versions import api_versions_of
from gateway_svc.wire.apis.api_versions import API_VERSIONS, ApiVersionsRequest
from gateway_svc.wire.apis.fetch import FETCH
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

HANDLER = api_versions_of([API_VERSIONS, FETCH])


def request(name: str = "librdkafka", version: str = "2.0.1-rc.1") -> ApiVersionsRequest:
    return ApiVersionsRequest(client_software_name=name, client_software_version=version)


def test_api_versions_lists_apis_by_key():
    response = FakeCluster().send(HANDLER, request(), 3)
    assert [(api.api_key, api.min_version, api.max_version) for api in response.api_keys] == [
        (1, 0, 18),
        (18, 0, 4),
    ]
    assert response.error_code is ErrorCode.NONE


@pytest.mark.parametrize(("version", "supported"), [(3, []), (4, [("group.version", 0, 1)])])
def test_api_versions_lists_group_version_as_finalized(version, supported):
    response = FakeCluster().send(HANDLER, request(), version)
    assert [
        (feature.name, feature.min_version, feature.max_version)
        for feature in response.supported_features
    ] == supported
    (finalized,) = response.finalized_features
    assert (finalized.name, finalized.min_version_level, finalized.max_version_level) == (
        "group.version",
        1,
        1,
    )
    assert response.finalized_features_epoch == 0


@pytest.mark.parametrize(
    ("name", "version"), [("", "1"), ("a", ""), ("-a", "1"), ("a", "1."), ("a b", "1"), ("ä", "1")]
)
def test_api_versions_rejects_an_invalid_software_name_since_version_3(name, version):
    response = FakeCluster().send(HANDLER, request(name, version), 3)
    assert (response.error_code, response.api_keys) == (ErrorCode.INVALID_REQUEST, [])
    assert FakeCluster().send(HANDLER, request(name, version), 2).error_code is ErrorCode.NONE
