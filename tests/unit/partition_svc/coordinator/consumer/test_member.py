from partition_svc.coordinator.consumer.member import ConsumerGroupMember, MemberState
from partition_svc.coordinator.records.stored_consumer import EMPTY_ASSIGNMENT

A, B, C = ((b"t" * 16, partition) for partition in range(3))


def member_with(*assigned, epoch=1, **more):
    return ConsumerGroupMember("m", epoch=epoch, assigned=frozenset(assigned), **more)


def reconcile(member, target, epoch=2, owned=EMPTY_ASSIGNMENT, unavailable=()):
    member.reconcile(
        frozenset(target), epoch, owned, lambda partition: partition not in unavailable
    )
    return member.state, member.epoch, set(member.assigned), set(member.revoking)


def test_member_is_assigned_free_partitions():
    assert reconcile(member_with(), {A, B}) == (MemberState.STABLE, 2, {A, B}, set())


def test_member_revokes_before_it_is_assigned_more():
    member = member_with(A, B)
    assert reconcile(member, {B, C}, owned=frozenset({A, B})) == (
        MemberState.UNREVOKED_PARTITIONS,
        1,
        {B},
        {A},
    )
    assert reconcile(member, {B, C}, owned=None) == (MemberState.UNREVOKED_PARTITIONS, 1, {B}, {A})
    assert reconcile(member, {B, C}, owned=frozenset({A, B})) == (
        MemberState.UNREVOKED_PARTITIONS,
        1,
        {B},
        {A},
    )
    assert reconcile(member, {B, C}, owned=frozenset({B})) == (MemberState.STABLE, 2, {B, C}, set())
    assert member.previous_epoch == 1


def test_partition_that_the_member_does_not_own_needs_no_revocation():
    assert reconcile(member_with(A), {B}, owned=EMPTY_ASSIGNMENT) == (
        MemberState.STABLE,
        2,
        {B},
        set(),
    )
    assert reconcile(member_with(A), {B}, owned=None) == (
        MemberState.UNREVOKED_PARTITIONS,
        1,
        set(),
        {A},
    )


def test_member_waits_in_the_new_epoch_for_partitions_of_others():
    member = member_with()
    assert reconcile(member, {A, B}, unavailable={B}) == (
        MemberState.UNRELEASED_PARTITIONS,
        2,
        {A},
        set(),
    )
    assert reconcile(member, {A, B}, unavailable={B}) == (
        MemberState.UNRELEASED_PARTITIONS,
        2,
        {A},
        set(),
    )
    assert reconcile(member, {A, B}) == (MemberState.STABLE, 2, {A, B}, set())


def test_partition_that_returns_to_the_target_is_revoked_first():
    member = member_with(A)
    reconcile(member, set(), epoch=2, owned=frozenset({A}))
    assert reconcile(member, {A}, epoch=3, owned=frozenset({A})) == (
        MemberState.UNREVOKED_PARTITIONS,
        1,
        set(),
        {A},
    )
    assert reconcile(member, {A}, epoch=3, owned=EMPTY_ASSIGNMENT) == (
        MemberState.STABLE,
        3,
        {A},
        set(),
    )


def test_reconciled_member_does_not_change():
    assert reconcile(member_with(A, epoch=2), {B}, epoch=2) == (MemberState.STABLE, 2, {A}, set())
