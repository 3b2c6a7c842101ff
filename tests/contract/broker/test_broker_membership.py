"""What every broker promises of the group that says which process should own which shard."""

from collections.abc import Callable

from orchestrator.broker.port import Broker, InputPosition, Inputs, Membership
from tests.contract.broker.clusters import SHARDS, Cluster, read, record, values

Member = Callable[[], Membership]
ALL = frozenset(range(SHARDS))


def test_one_member_is_assigned_every_shard(cluster: Cluster, member: Member) -> None:
    alone = member()
    assert cluster.eventually(lambda: _full(alone)) == ALL


def test_members_share_the_shards_and_no_shard_has_two(cluster: Cluster, member: Member) -> None:
    first = member()
    cluster.eventually(lambda: _full(first))
    second = member()

    def shared() -> tuple[frozenset[int], frozenset[int]] | None:
        mine, yours = first.poll(0.05), second.poll(0.05)
        assert not first.poll(0) & yours, "a shard is given up before another member has it"
        return (mine, yours) if len(mine) == len(yours) == SHARDS // 2 else None

    mine, yours = cluster.eventually(shared)
    assert mine | yours == ALL


def test_a_member_is_told_its_share_also_when_it_is_none(cluster: Cluster, member: Member) -> None:
    members = [member() for _ in range(SHARDS + 1)]
    assert not any(each.joined for each in members)

    def shared() -> bool | None:
        shares = [each.poll(0.02) for each in members]
        return True if sum(map(len, shares)) == SHARDS and all(each.joined for each in members) else None

    cluster.eventually(shared)
    assert sorted(len(each.poll(0)) for each in members) == [0] + [1] * SHARDS


def test_who_leaves_is_replaced_at_once(cluster: Cluster, member: Member) -> None:
    first, second = member(), member()
    cluster.eventually(lambda: True if all([first.poll(0.05), second.poll(0.05)]) else None)
    first.close()
    first.close()
    assert cluster.eventually(lambda: _full(second)) == ALL


def test_membership_reads_nothing_and_hinders_nobody_who_does(
    cluster: Cluster, broker: Broker, member: Member, reader: Callable[..., Inputs]
) -> None:
    broker.publish([record(cluster.names.requests, b"%d" % number) for number in range(100)])
    broker.delete_inputs(1, InputPosition(90, 0))
    alone = member()
    cluster.eventually(lambda: _full(alone))
    broker.publish([record(cluster.names.requests, b"new")])
    assert alone.poll(0.5) == ALL
    assert values(read(cluster, reader(99), 2)) == [b"99", b"new"]


def _full(membership: Membership) -> frozenset[int] | None:
    shards = membership.poll(0.05)
    return shards if shards == ALL else None
