"""Expected API versions of ringlog, independent of the code."""

from tests.support.clients import raw_client as data
from tests.support.wire import group_apis as groups

#: Lowest and highest version by API key.
ADVERTISED = {
    data.PRODUCE: (0, 13),
    data.FETCH: (0, 18),
    data.LIST_OFFSETS: (0, 11),
    data.METADATA: (0, 13),
    groups.OFFSET_COMMIT: (0, 10),
    groups.OFFSET_FETCH: (0, 10),
    groups.FIND_COORDINATOR: (0, 6),
    groups.JOIN_GROUP: (0, 9),
    groups.HEARTBEAT: (0, 4),
    groups.LEAVE_GROUP: (0, 5),
    groups.SYNC_GROUP: (0, 5),
    groups.DESCRIBE_GROUPS: (0, 6),
    groups.LIST_GROUPS: (0, 5),
    data.API_VERSIONS: (0, 4),
    data.CREATE_TOPICS: (0, 7),
    data.DELETE_TOPICS: (0, 6),
    data.INIT_PRODUCER_ID: (0, 5),
    data.OFFSET_FOR_LEADER_EPOCH: (0, 4),
    data.DESCRIBE_CONFIGS: (0, 4),
    groups.DELETE_GROUPS: (0, 3),
    groups.OFFSET_DELETE: (0, 0),
    data.DESCRIBE_CLUSTER: (0, 2),
    groups.CONSUMER_GROUP_HEARTBEAT: (0, 1),
    groups.CONSUMER_GROUP_DESCRIBE: (0, 1),
}

#: The first version that kio knows, if that is not 0. Older ones are tested in
#: `tests/clients/versions/test_oldest_versions.py`.
KIO_FROM = {
    data.PRODUCE: 3,
    data.FETCH: 4,
    data.LIST_OFFSETS: 1,
    groups.OFFSET_COMMIT: 2,
    groups.OFFSET_FETCH: 1,
    data.CREATE_TOPICS: 2,
    data.DELETE_TOPICS: 1,
    data.OFFSET_FOR_LEADER_EPOCH: 2,
    data.DESCRIBE_CONFIGS: 1,
}

#: The last version that kio knows, if ringlog serves later ones. Those are tested by their bytes in
#: `tests/unit/gateway_svc/wire/apis`.
KIO_UP_TO = {groups.DELETE_GROUPS: 2}
