"""A saga told from the journal alone is what the database says of it."""

from dataclasses import replace

import pytest

from orchestrator.errors import JournalCorrupt, TopicMismatch
from orchestrator.recovery.chronicle import read_chronicle
from orchestrator.shard.sagas import state_of
from orchestrator.wire.journal import entry_record, is_entry
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.recovery.scene import SHARDS, worked
from tests.unit.shard.world import saga_on
from tests.unit.wire.samples import entry_of


def test_every_saga_is_told_as_the_database_has_it() -> None:
    world, process = worked()
    world.run(process)
    told = 0
    for shard in range(SHARDS):
        contents = world.store.contents(shard)
        for row in contents.sagas:
            found = read_chronicle(world.broker, world.topics, row.saga_id)
            assert found is not None
            assert (found.shard, found.state) == (shard, state_of(world.store.stored(shard)[row.saga_id]))
            assert [listed.event for listed in found.events] == [
                event for event in contents.events if event.saga_id == row.saga_id
            ]
            assert all(listed.published for listed in found.events)
            assert found.blueprint == world.blueprint
            told += 1
    assert told == SHARDS * 7


def test_a_saga_that_is_not_there_is_none() -> None:
    world, _ = worked()
    assert read_chronicle(world.broker, world.topics, "nobody") is None
    assert read_chronicle(world.broker, world.topics, "footer") is None
    with pytest.raises(TopicMismatch, match=r"topic other.journal: expected the journal of the namespace"):
        read_chronicle(world.broker, Topics("other"), "nobody")


def test_an_event_that_lacks_is_told() -> None:
    world, process = worked()
    saga_id = saga_on(0, SHARDS, "open-")
    world.run(process)
    entries = [
        entry_of(record.value)
        for record in world.cluster.committed(world.topics.journal)
        if is_entry(record) and record.key == saga_id.encode()
    ]
    last = entries[-1]
    later = replace(last, number=last.number + len(last.events) + 1)
    world.broker.publish([entry_record(world.topics, 0, later)])
    number = last.number + len(last.events)
    with pytest.raises(JournalCorrupt, match=rf"expected event {number} of saga {saga_id}, got {number + 1}"):
        read_chronicle(world.broker, world.topics, saga_id)


def test_an_entry_that_cannot_be_read_is_told() -> None:
    world, _ = worked()
    saga_id = saga_on(0, SHARDS, "open-")
    headers = next(record.headers for record in world.cluster.committed(world.topics.journal) if is_entry(record))
    world.broker.publish([OutgoingRecord(world.topics.journal, 0, saga_id.encode(), headers, b"\x00")])
    with pytest.raises(JournalCorrupt, match=r"test.journal/0/\d+: .*: `saga verify --chain` tells what was changed"):
        read_chronicle(world.broker, world.topics, saga_id)
