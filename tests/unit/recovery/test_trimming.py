"""What is trimmed stays trimmed in every database that the journal makes, and the journal still tells it."""

from orchestrator.recovery.chronicle import read_chronicle
from orchestrator.recovery.verify import verify
from orchestrator.shard.sagas import state_of
from orchestrator.store.memory import MemoryStore
from tests.unit.recovery.scene import SHARDS, namespace_of, new_database, recover, tables
from tests.unit.shard.world import Process, World, saga_on

RETENTION_MS = 3_000


def trimmed() -> tuple[World, Process, list[str], MemoryStore]:
    """Some sagas of each shard are trimmed, some ids were used again, a copy of the database is older than that."""
    world = World(SHARDS)
    process = Process(world, range(SHARDS), retention_ms=RETENTION_MS)
    process.take_over()
    process.catalogue.refresh()
    process.catalogue.save()
    names = [saga_on(shard, SHARDS, f"s{number}-") for shard in range(SHARDS) for number in range(4)]
    for name in names:
        world.start(name, "closed" if "s2" in name else "b")
    world.run(process, rounds=20)
    backup = world.store.copy()
    world.run(process, rounds=30)
    for shard in range(SHARDS):
        world.start(names[4 * shard], "closed")  # nobody should; the journal has both, whatever participants say
        world.start(saga_on(shard, SHARDS, "new-"))
    world.run(process, rounds=14)
    kept = {row.saga_id for shard in range(SHARDS) for row in world.store.contents(shard).sagas}
    assert kept == {names[0], names[4], *(saga_on(shard, SHARDS, "new-") for shard in range(SHARDS))}
    return world, process, names, backup


def test_a_rebuilt_database_equals_the_trimmed_one_row_by_row() -> None:
    world, *_ = trimmed()
    lost = world.store
    new_database(world)
    recover(world)
    for shard in range(SHARDS):
        assert tables(world.store, shard) == tables(lost, shard)
        assert world.store.seqs(shard) == lost.seqs(shard)


def test_a_backup_from_before_the_trimming_is_rolled_forward() -> None:
    world, _, _, backup = trimmed()
    lost, world.store = world.store, backup
    assert len(world.store.contents(0).sagas) == 4
    recover(world)
    for shard in range(SHARDS):
        assert tables(world.store, shard) == tables(lost, shard)


def test_a_trimmed_database_is_verified_also_while_its_trimming_is_not_published() -> None:
    world, process, *_ = trimmed()
    for shard in range(SHARDS):
        assert verify(namespace_of(world), shard, 3).differences == []
    process.stepping_relays = False  # the trimming waits in the outbox
    world.now_ms += 10 * RETENTION_MS
    process.step()
    assert world.store.contents(0).sagas == ()
    assert verify(namespace_of(world), 0, 3).differences == []


def test_rows_that_went_without_the_journal_are_found() -> None:
    world, *_ = trimmed()
    victim = world.store.contents(0).sagas[-1].saga_id
    world.store._database.tables[0]._delete([victim])
    differences = verify(namespace_of(world), 0, 3).differences
    assert [victim in text for text in differences] == [True, True]
    assert "the database has no such row" in differences[1]


def test_the_journal_tells_each_saga_that_had_an_id() -> None:
    world, _, names, _ = trimmed()
    gone = read_chronicle(world.broker, world.topics, names[1])
    assert gone is not None
    assert (gone.trimmed, gone.state.status.value, gone.earlier) == (True, "completed", ())
    again = read_chronicle(world.broker, world.topics, names[0])
    assert again is not None
    assert (again.trimmed, again.state) == (False, state_of(world.store.stored(0)[names[0]]))
    assert [(each.trimmed, each.state.status.value) for each in again.earlier] == [(True, "completed")]
    assert [listed.event.number for listed in again.events] == list(range(1, len(again.events) + 1))
