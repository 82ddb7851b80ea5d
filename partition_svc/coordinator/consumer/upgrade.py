"""A classic group becomes a consumer group, when somebody comes with its protocol (KIP-848).

Kafka: validateOnlineUpgrade, convertToConsumerGroup of GroupMetadataManager,
ConsumerGroup.fromClassicGroup.
"""

from typing import Final

from common.ports.consumer_groups import ConsumerHeartbeatTaken
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.topic_names import ids_of
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.records.consumer_protocol import (
    CONSUMER_PROTOCOL_TYPE,
    Subscription,
    read_assignment,
    read_subscription,
)
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    StoredClassic,
    StoredSubscription,
    TargetEpochRecord,
)

_MALFORMED: Final = "to consumer group because the embedded consumer protocol is malformed."


def upgraded(
    classic: ClassicGroup, view: Topics, effects: Effects
) -> ConsumerGroup | ConsumerHeartbeatTaken:
    """The group that `classic` becomes, with its records; or the answer where it does not.

    Its members go on as they are, in an epoch that is their generation. `classic` is not changed.
    """
    may_be = (
        classic.settings.may_upgrade
        and classic.protocol_type == CONSUMER_PROTOCOL_TYPE
        and len(classic.members) <= classic.settings.max_size
    )
    if not may_be:
        return not_upgraded(classic.group_id)
    group = ConsumerGroup(classic.group_id, classic.settings, view)
    group.epoch = group.assignment_epoch = classic.generation_id
    for member in classic.members:
        if not _add(group, classic, member):
            return _refused(f"Cannot upgrade the classic group {classic.group_id} {_MALFORMED}")
    for one in group.members.values():
        group.extend_session(one, effects.now_ms)
    _store(group, effects)
    return group


def not_upgraded(group_id: str) -> ConsumerHeartbeatTaken:
    """The answer to a heartbeat in a classic group that has members and stays one."""
    return _refused(f"Group {group_id} is not a consumer group.")


def _refused(message: str) -> ConsumerHeartbeatTaken:
    return ConsumerHeartbeatTaken(refusal=GroupRefusal.GROUP_ID_NOT_FOUND, message=message)


def _add(group: ConsumerGroup, classic: ClassicGroup, member: ClassicGroupMember) -> bool:
    """Whether what the member says, and what it was told, could be read.

    It has what it was told to read, and what it went on reading when it joined: nobody knows
    whether it has heard yet that it is to give that up.
    """
    said = read_subscription(_metadata(classic, member))
    told = read_assignment(member.assignment)
    if said is None or told is None:
        return False
    added = ConsumerGroupMember(member.member_id)
    added.subscribe(_subscription(member, said))
    added.epoch = added.previous_epoch = classic.generation_id
    reads = ids_of({*told, *said.owned}, group.view)
    added.assigned = frozenset(filter(group.is_free_for(added), reads))
    group.members[member.member_id] = added
    group.targets[member.member_id] = added.assigned
    group.hold(added, EMPTY_ASSIGNMENT)
    return True


def _metadata(classic: ClassicGroup, member: ClassicGroupMember) -> bytes:
    """Before a first generation no protocol is chosen; all of a member's say the same topics."""
    return member.metadata(classic.protocol or member.protocols[0].name)


def _subscription(member: ClassicGroupMember, said: Subscription) -> StoredSubscription:
    return StoredSubscription(
        member.group_instance_id,
        said.rack_id,
        member.client,
        tuple(sorted(set(said.topics))),
        None,
        member.rebalance_timeout_ms,
        None,
        StoredClassic(member.session_timeout_ms, tuple(member.protocols)),
    )


def _store(group: ConsumerGroup, effects: Effects) -> None:
    for one in group.members.values():
        group.store_subscription(one, effects)
    group.store_epoch(effects)
    for member_id, target in group.targets.items():
        group.store_target(member_id, target, effects)
    effects.records.append(TargetEpochRecord(group.group_id, group.assignment_epoch))
    for one in group.members.values():
        group.store_current_assignment(one, effects)
