from partition_svc.coordinator.consumer.member import ConsumerGroupMember, MemberState
from partition_svc.coordinator.records.stored_consumer import EMPTY_ASSIGNMENT

A, B, C = ((b"t" * 16, partition) for partition in range(3))


def member(*assigned, epoch=1, **more):
    return ConsumerGroupMember("m", epoch=epoch, assigned=frozenset(assigned), **more)


def step(one, target, epoch=2, owned=EMPTY_ASSIGNMENT, taken=()):
    one.reconcile(frozenset(target), epoch, owned, lambda part: part not in taken)
    return one.state, one.epoch, set(one.assigned), set(one.revoking)


def test_a_member_gets_what_is_free():
    assert step(member(), {A, B}) == (MemberState.STABLE, 2, {A, B}, set())


def test_it_gives_up_before_it_gets():
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


def test_what_it_never_had_need_not_be_given_up():
    assert step(member(A), {B}, owned=EMPTY_ASSIGNMENT) == (MemberState.STABLE, 2, {B}, set())
    assert step(member(A), {B}, owned=None) == (MemberState.UNREVOKED_PARTITIONS, 1, set(), {A})


def test_it_waits_for_what_others_have_in_the_new_epoch():
    one = member()
    assert step(one, {A, B}, taken={B}) == (MemberState.UNRELEASED_PARTITIONS, 2, {A}, set())
    assert step(one, {A, B}, taken={B}) == (MemberState.UNRELEASED_PARTITIONS, 2, {A}, set())
    assert step(one, {A, B}) == (MemberState.STABLE, 2, {A, B}, set())


def test_what_came_back_to_its_target_is_given_up_all_the_same():
    one = member(A)
    step(one, set(), epoch=2, owned=frozenset({A}))
    assert step(one, {A}, epoch=3, owned=frozenset({A})) == (
        MemberState.UNREVOKED_PARTITIONS,
        1,
        set(),
        {A},
    )
    assert step(one, {A}, epoch=3, owned=EMPTY_ASSIGNMENT) == (MemberState.STABLE, 3, {A}, set())


def test_a_stable_member_in_its_epoch_stays():
    assert step(member(A, epoch=2), {B}, epoch=2) == (MemberState.STABLE, 2, {A}, set())
