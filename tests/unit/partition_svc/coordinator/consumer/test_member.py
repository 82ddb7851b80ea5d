from partition_svc.coordinator.consumer.member import ConsumerGroupMember, MemberState
from partition_svc.coordinator.records.stored_consumer import EMPTY_ASSIGNMENT

A, B, C = ((b"t" * 16, partition) for partition in range(3))


def member(*assigned, epoch=1, **more):
    return ConsumerGroupMember("m", epoch=epoch, assigned=frozenset(assigned), **more)


def step(one, target, epoch=2, owned=EMPTY_ASSIGNMENT, taken=()):
    one.reconcile(frozenset(target), epoch, owned, lambda part: part not in taken)
    return one.state, one.epoch, set(one.assigned), set(one.revoking)


def test_member_is_assigned_free_partitions():
    assert step(member(), {A, B}) == (MemberState.STABLE, 2, {A, B}, set())


def test_member_revokes_before_it_is_assigned_more():
    one = member(A, B)
    assert step(one, {B, C}, owned=frozenset({A, B})) == (
        MemberState.UNREVOKED_PARTITIONS,
        1,
        {B},
        {A},
    )
    assert step(one, {B, C}, owned=None) == (MemberState.UNREVOKED_PARTITIONS, 1, {B}, {A})
    assert step(one, {B, C}, owned=frozenset({A, B})) == (
        MemberState.UNREVOKED_PARTITIONS,
        1,
        {B},
        {A},
    )
    assert step(one, {B, C}, owned=frozenset({B})) == (MemberState.STABLE, 2, {B, C}, set())
    assert one.previous_epoch == 1


def test_partition_that_the_member_does_not_own_needs_no_revocation():
    assert step(member(A), {B}, owned=EMPTY_ASSIGNMENT) == (MemberState.STABLE, 2, {B}, set())
    assert step(member(A), {B}, owned=None) == (MemberState.UNREVOKED_PARTITIONS, 1, set(), {A})


def test_member_waits_in_the_new_epoch_for_partitions_of_others():
    one = member()
    assert step(one, {A, B}, taken={B}) == (MemberState.UNRELEASED_PARTITIONS, 2, {A}, set())
    assert step(one, {A, B}, taken={B}) == (MemberState.UNRELEASED_PARTITIONS, 2, {A}, set())
    assert step(one, {A, B}) == (MemberState.STABLE, 2, {A, B}, set())


def test_partition_that_returns_to_the_target_is_revoked_first():
    one = member(A)
    step(one, set(), epoch=2, owned=frozenset({A}))
    assert step(one, {A}, epoch=3, owned=frozenset({A})) == (
        MemberState.UNREVOKED_PARTITIONS,
        1,
        set(),
        {A},
    )
    assert step(one, {A}, epoch=3, owned=EMPTY_ASSIGNMENT) == (MemberState.STABLE, 3, {A}, set())


def test_reconciled_member_does_not_change():
    assert step(member(A, epoch=2), {B}, epoch=2) == (MemberState.STABLE, 2, {A}, set())
