"""A living shard is compared with its journal, and each kind of difference is found and told with both sides."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from examples.money_transfer.saga import Deposit, Receipt, Transfer
from orchestrator import Saga, saga, seconds
from orchestrator.errors import ChainsDiverged, DatabaseBehind, JournalCorrupt
from orchestrator.recovery import verify as verify_module
from orchestrator.recovery.loading import Step
from orchestrator.recovery.verify import Verified, prove, verify, verify_definitions
from orchestrator.store.memory import MemoryStore
from orchestrator.store.memory.tables import ShardTables
from orchestrator.store.port import Definition, Tables
from orchestrator.wire.journal import JournalEntry, entry_record, is_entry
from tests.unit.recovery.scene import SHARDS, namespace_of, recover, worked
from tests.unit.shard.world import Process, World, saga_on


def verified(world: World, shard: int = 0) -> Verified:
    return verify(namespace_of(world), shard, 3)


def test_a_shard_that_is_as_its_journal_says_is_equal() -> None:
    world, _ = worked()
    for shard in range(SHARDS):
        found = verified(world, shard)
        contents = world.store.contents(shard)
        assert found.differences == []
        assert (found.seq, found.chain) == (contents.row.seq, contents.row.chain)
        counted = {each.table.split(", ")[1]: each.rows for each in found.tables}
        assert counted == {
            "events": len(contents.events),
            "sagas": len(contents.sagas),
            "incidents": len(contents.incidents),
            "offsets": 1,
        }
        assert all(each.journal == each.database for each in found.tables)


def test_what_is_not_published_yet_is_compared_too() -> None:
    world, process = worked()
    process.stepping_relays = False
    for _ in range(3):
        world.start(saga_on(0, SHARDS, "unpublished-"))
        process.step()
        world.now_ms += 100
    assert verified(world).differences == []


def test_what_is_decided_while_the_journal_is_read_is_compared_too() -> None:
    world, process = worked()
    told: list[Step] = []

    def meanwhile(step: Step) -> None:
        if not told:
            world.start(saga_on(0, SHARDS, "meanwhile-"))
            world.run(process, rounds=3)
        told.append(step)

    found = verify(namespace_of(world), 0, 3, meanwhile)
    assert found.differences == []
    assert found.seq == world.store.contents(0).row.seq


def test_equal_states_have_equal_hashes_whoever_wrote_the_rows() -> None:
    world, process = worked()
    del process
    before = [each.database for each in verified(world).tables[:3]]
    recover(world, wipe=True)
    assert [each.database for each in verified(world).tables[:3]] == before


@saga(timeout=seconds(10))
def labelled(s: Saga, transfer: Transfer) -> Receipt:
    s.label(customer=transfer.source, grüße=transfer.target)
    return s.pivot("deposit", Deposit(account=transfer.target, amount=transfer.amount))


def test_labels_are_equal_whichever_way_a_table_writes_them() -> None:
    world = World(blueprint=labelled.compile())
    process = Process(world)
    process.take_over()
    process.catalogue.refresh()
    process.catalogue.save()
    world.start("s", "ü", saga="labelled")
    world.run(process)
    (row,) = world.store.contents(0).sagas
    assert row.labels == '{"customer":"a","grüße":"ü"}'
    assert verified(world).differences == []


def change_event(tables: ShardTables) -> str:
    key = sorted(tables.events)[4]
    tables.events[key] = replace(tables.events[key], data=tables.events[key].data.replace(":", ": ", 1))
    return f"{key[0]}, number {key[1]}: data: the journal says"


def remove_event(tables: ShardTables) -> str:
    key = max(tables.events)
    del tables.events[key]
    return "no such row"


def remove_first_event(tables: ShardTables) -> str:
    key = min(tables.events)
    del tables.events[key]
    return f"a row is missing on one side: the journal says {key[0]}, number 1; the database has {key[0]}, number 2"


def remove_all_events(tables: ShardTables) -> str:
    saga_id = min(tables.events)[0]
    for key in [key for key in tables.events if key[0] == saga_id]:
        del tables.events[key]
    return f"a row is missing on one side: the journal says {saga_id}, number 1; the database has "


def garble_event(tables: ShardTables) -> str:
    key = min(tables.events)
    tables.events[key] = replace(tables.events[key], data="{}")
    return f"{key[0]}, number 1: data: the journal says"


def add_event(tables: ShardTables) -> str:
    key = max(tables.events)
    made = key[0], key[1] + 1
    tables.events[made] = replace(tables.events[key], number=made[1])
    tables.event_seqs[made] = tables.event_seqs[key]
    return "the journal says no such row"


def change_status(tables: ShardTables) -> str:
    key = min(tables.sagas)
    tables.sagas[key] = replace(tables.sagas[key], due_ms=None, status="completed", ended_ms=1)
    return f"{key}: status: the journal says 'running'; the database has 'completed'"


def change_batch(tables: ShardTables) -> str:
    tables.saga_seqs[min(tables.sagas)] += 1
    return "batch: the journal says"


def change_offset(tables: ShardTables) -> str:
    tables.row = replace(tables.row, next_replies=tables.row.next_replies + 1)
    return "offsets"


@pytest.mark.parametrize(
    "change",
    [
        change_event,
        remove_event,
        remove_first_event,
        remove_all_events,
        garble_event,
        add_event,
        change_status,
        change_batch,
        change_offset,
    ],
)
def test_a_change_by_hand_is_found_and_told_with_both_sides(change: Callable[[ShardTables], str]) -> None:
    world, _ = worked()
    named = change(world.store._database.tables[0])
    difference = verified(world).differences[0]
    assert named in difference
    assert difference.startswith("shard 0, ")
    assert "the journal says" in difference
    assert "the database has" in difference
    assert verified(world, 1).differences == []


def test_a_saga_that_cannot_be_read_is_a_difference_of_its_table_too() -> None:
    world, _ = worked()
    remove_all_events(world.store._database.tables[0])
    events, sagas = verified(world).differences
    assert events.startswith("shard 0, events: a row is missing")
    assert "state: the journal says" in sagas
    assert "the database has 'what cannot be read: JournalCorrupt: " in sagas


def test_a_database_behind_its_journal_is_no_difference_but_refused() -> None:
    world, process = worked(rounds=3)
    backup = world.store.copy()
    world.run(process, rounds=14)
    world.store = backup
    with pytest.raises(DatabaseBehind, match="`saga recover`"):
        verified(world)


def test_another_history_is_refused() -> None:
    world, _ = worked()
    tables = world.store._database.tables[0]
    tables.row = replace(tables.row, chain=bytes(range(32)))
    with pytest.raises(ChainsDiverged, match="`saga recover`"):
        verified(world)


def test_batches_that_are_nowhere_are_told() -> None:
    world, process = worked()
    process.stepping_relays = False
    world.start(saga_on(0, SHARDS, "unpublished-"))
    process.step()
    world.store._database.tables[0].outbox.clear()
    with pytest.raises(JournalCorrupt, match="it has no such batch"):
        verified(world)


def test_definitions_are_compared_with_their_topic() -> None:
    world, _ = worked()
    namespace = namespace_of(world)
    assert verify_definitions(namespace).difference is None
    (kept,) = world.store.definitions()
    world.store.save_definitions([Definition(kept.name, kept.hash, kept.blueprint, active=False)])
    difference = verify_definitions(namespace).difference
    assert difference is not None
    assert difference.endswith("active: the journal says True; the database has False")


def test_a_journal_is_proved_without_any_database() -> None:
    world, _ = worked()
    found = prove(world.broker, world.topics, 0)
    assert found.seq == world.store.contents(0).row.seq
    assert found.records == sum(each.partition == 0 for each in world.cluster.committed(world.topics.journal))
    entries = world.cluster.log(world.topics.journal, 0).entries
    victim = next(entry for entry in entries if entry.record is not None and entry.record.key != b"footer")
    assert victim.record is not None
    victim.record = replace(victim.record, value=(victim.record.value or b"")[:-1] + b"\x7f")
    with pytest.raises(JournalCorrupt):
        prove(world.broker, world.topics, 0)


def test_entries_without_a_footer_and_a_journal_without_records_prove_nothing() -> None:
    world, _ = worked()
    log = world.cluster.log(world.topics.journal, 0)
    end = log.end
    entry = next(each.record for each in log.entries if each.record is not None and is_entry(each.record))
    forged = JournalEntry(world.store.contents(0).row.seq + 1, "forged", 1, (("SagaStarted", "{}"),), None)
    world.broker.publish([entry_record(world.topics, entry.partition, forged)])
    with pytest.raises(JournalCorrupt, match=rf"test\.journal/0/{end}: expected a footer behind the entries of batch"):
        prove(world.broker, world.topics, 0)
    log.delete_below(log.end)
    with pytest.raises(JournalCorrupt, match=rf"got none below offset {end + 1}"):
        prove(world.broker, world.topics, 0)


def test_a_journal_that_has_never_had_a_record_is_no_fault() -> None:
    world = World()
    assert prove(world.broker, world.topics, 0).records == 0


def test_tables_are_kept_at_one_moment_only_when_the_journal_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server ends a session that waits in its transaction, for as long as a slow fold would take."""
    monkeypatch.setattr(verify_module, "CAUGHT_UP", 5)
    world, process = worked()
    rounds, left = [3], list[int]()

    def busy(_: Step) -> None:
        if rounds[0]:
            rounds[0] -= 1
            world.start(saga_on(0, SHARDS, f"meanwhile{rounds[0]}-"))
            world.run(process, rounds=6)

    def opened(store: MemoryStore, shard: int) -> AbstractContextManager[Tables]:
        left.extend(rounds)
        return right(store, shard)

    right = MemoryStore.tables
    monkeypatch.setattr(MemoryStore, "tables", opened)
    assert verify(namespace_of(world), 0, 3, busy).differences == []
    assert left == [0]


def test_nobody_waits_while_tables_are_kept_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    world, process = worked()
    told: list[Step] = []
    keeping: list[bool] = []

    @contextmanager
    def kept(store: MemoryStore, shard: int) -> Generator[Tables]:
        world.start(saga_on(0, SHARDS, "late-"))
        world.run(process, rounds=6)
        with right(store, shard) as tables:
            keeping.append(True)
            yield tables
        keeping.clear()

    def tell(step: Step) -> None:
        assert not keeping
        told.append(step)

    right = MemoryStore.tables
    monkeypatch.setattr(MemoryStore, "tables", kept)
    assert verify(namespace_of(world), 0, 3, tell).differences == []
    assert sum(step.events for step in told) == len(world.store.contents(0).events)


def test_the_rate_can_be_bounded_by_who_is_told() -> None:
    world, _ = worked()
    told: list[Step] = []
    verify(namespace_of(world), 0, 3, told.append)
    assert sum(step.events for step in told) == len(world.store.contents(0).events)
