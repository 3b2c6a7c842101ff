"""The quarantine, redriven and discarded: what is sent again counts once, whatever happened meanwhile."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import pytest

from orchestrator.client.quarantine import Choice, Kept, Quarantine
from orchestrator.engine.state import SagaState
from orchestrator.errors import NotQuarantined, TopicMismatch, Unavailable
from orchestrator.shard.sagas import state_of
from orchestrator.wire import reply, request
from orchestrator.wire.avro import Codec, codec_for
from orchestrator.wire.forwarding import forwarded_record
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.registry import schema_record
from orchestrator.wire.topics import Topics
from tests.unit.shard.world import Process, World, saga_on

if TYPE_CHECKING:
    from orchestrator.blueprint.model import Json

SOMEBODY = "alice@desk"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def process(world: World) -> Process:
    process = Process(world, range(world.shards))
    process.take_over()
    return process


def quarantine(world: World) -> Quarantine:
    return Quarantine(world.broker, world.topics)


def kept(world: World, choice: Choice | None = None) -> list[Kept]:
    return list(quarantine(world).chosen(choice or Choice()))


def redrive_all(world: World, choice: Choice | None = None) -> int:
    view = quarantine(world)
    found = list(view.chosen(choice or Choice()))
    for each in found:
        view.redrive(each, SOMEBODY)
    return len(found)


def saga(world: World, saga_id: str) -> SagaState:
    for shard in range(world.shards):
        stored = world.store.stored(shard).get(saga_id)
        if stored is not None:
            return state_of(stored)
    raise AssertionError(f"no saga {saga_id}")


def events(world: World) -> Counter[str]:
    return Counter(row.type for shard in range(world.shards) for row in world.store.contents(shard).events)


# ---------------------------------------------------------------- replies


def newer_receipt(world: World) -> Codec:
    """A schema that no saga of this namespace was deployed with."""
    schema = cast("Mapping[str, Json]", world.schema("bank.Receipt"))
    note: Json = {"name": "note", "type": "string", "default": ""}
    return codec_for({**schema, "fields": [*cast("list[Json]", schema["fields"]), note]})


def poison(world: World) -> OutgoingRecord:
    """An answer to the only command, written with a schema that is not published."""
    (command,) = world.commands()
    answer = reply.completed(newer_receipt(world), {"balance": Decimal(100), "note": "new"})
    return reply.reply_record(command, answer, world.now_ms)


@pytest.fixture
def poisoned(world: World, process: Process) -> World:
    """A saga that waits with an incident for an answer that cannot be read yet."""
    world.silent = True
    world.start("s")
    world.run(process, rounds=2)
    world.broker.publish([poison(world)])
    world.run(process, rounds=2)
    assert saga(world, "s").open_incidents
    return world


def test_a_reply_that_was_redriven_counts_once(poisoned: World, process: Process) -> None:
    (found,) = kept(poisoned)
    assert (found.quarantined.reason, found.quarantined.saga_id) == ("unknown_schema", "s")
    assert found.quarantined.id == "s/withdraw/0/do"
    poisoned.broker.publish([schema_record(poisoned.topics, newer_receipt(poisoned).schema)])
    poisoned.silent = False
    assert redrive_all(poisoned) == 1
    poisoned.run(process)
    assert poisoned.ended() == {"s": "completed"}
    before = events(poisoned)
    assert (before["StepCompleted"], before["IncidentClosed"]) == (2, 1)

    for _ in range(2):
        assert redrive_all(poisoned, Choice(places=frozenset([(0, 0)]))) == 1
    poisoned.run(process)
    assert events(poisoned) == before
    assert len(kept(poisoned, Choice(settled=True))) == 1
    poisoned.audit()


def test_a_reply_whose_command_was_answered_meanwhile_is_ignored(poisoned: World, process: Process) -> None:
    poisoned.silent = False
    poisoned.run(process)
    assert poisoned.ended() == {"s": "completed"}
    before = events(poisoned)
    poisoned.broker.publish([schema_record(poisoned.topics, newer_receipt(poisoned).schema)])
    assert redrive_all(poisoned) == 1
    poisoned.run(process)
    assert events(poisoned) == before
    assert [each.quarantined.offset for each in kept(poisoned, Choice(settled=True))] == [0]
    poisoned.audit()


def test_a_reply_that_is_redriven_too_early_is_quarantined_again(poisoned: World, process: Process) -> None:
    assert redrive_all(poisoned) == 1
    poisoned.run(process, rounds=2)
    (again,) = kept(poisoned)
    assert again.quarantined.reason == "unknown_schema"
    assert again.original == kept(poisoned, Choice(places=frozenset([(0, 0)])))[0].original
    assert events(poisoned)["IncidentOpened"] == 1


FAILED = {
    "ce_subject": "s",
    "ce_commandid": "s/withdraw/0/do",
    "ce_attempt": "1",
    "ce_outcome": "failed",
    "ce_retryable": "true",
}


def test_a_failure_counts_once_for_its_attempt(world: World, process: Process) -> None:
    """It came before its saga."""
    headers = tuple((name, value.encode()) for name, value in FAILED.items())
    world.broker.publish([OutgoingRecord(world.topics.replies, 0, b"s", headers, None)])
    world.run(process, rounds=1)
    world.silent = True
    world.start("s")
    world.run(process, rounds=2)
    assert [each.quarantined.reason for each in kept(world)] == ["unknown_saga"]
    for _ in range(2):
        assert redrive_all(world, Choice(places=frozenset([(0, 0)]))) == 1
    world.run(process, ms=1_000)
    assert [command.attempt for command in world.commands()] == [1, 2]
    assert redrive_all(world, Choice(places=frozenset([(0, 0)]))) == 1
    world.run(process, rounds=2, ms=1)
    assert events(world)["AttemptFailed"] == 1
    world.audit()


# ---------------------------------------------------------------- requests


def misdirected(world: World, asked: request.Request) -> None:
    """``asked`` on the wrong partition, for the second time."""
    right = request.request_record(world.topics, world.shards, asked, world.now_ms)
    wrong = 1 - right.partition
    read = IncomingRecord(right.topic, wrong, 0, 0, right.key, right.headers, right.value)
    world.broker.publish([forwarded_record(read, wrong)])


@pytest.fixture
def two(world: World) -> Iterator[tuple[World, Process]]:
    world = World(2)
    process = Process(world, range(2))
    process.take_over()
    yield world, process
    world.audit()


def test_a_request_that_was_redriven_counts_once(two: tuple[World, Process]) -> None:
    world, process = two
    saga_id = saga_on(0, 2)
    misdirected(world, request.StartSaga(request_id="r", saga_id=saga_id, saga="money_transfer", input=world.input()))
    world.run(process)
    assert world.answers() == {}
    assert [each.quarantined.reason for each in kept(world)] == ["wrong_partition"]
    for _ in range(2):
        assert redrive_all(world, Choice(places=frozenset([(1, 0)]))) == 1
        world.run(process)
    assert redrive_all(world) == 0
    assert (world.ended(), world.answers()) == ({saga_id: "completed"}, {"r": "accepted"})
    assert (events(world)["SagaStarted"], len(world.commands())) == (1, 2)


def test_a_request_that_was_decided_meanwhile_is_answered_as_it_was(two: tuple[World, Process]) -> None:
    world, process = two
    saga_id = saga_on(0, 2)
    world.silent = True
    world.start(saga_id)
    cancel = request.CancelSaga(request_id="c", saga_id=saga_id)
    misdirected(world, cancel)
    world.run(process, rounds=2)
    world.ask(cancel)
    world.run(process, rounds=2)
    assert world.answers()["c"] == "accepted"
    assert redrive_all(world) == 1
    world.run(process, rounds=3)
    assert world.answers()["c"] == "accepted"
    assert events(world)["CancelRequested"] == 1


# ---------------------------------------------------------------- what others see


def strange(world: World, reason: str, saga_id: str, partition: int = 0) -> None:
    """A record of the quarantine, at this moment."""
    headers = (
        ("quarantine_reason", reason.encode()),
        ("quarantine_source", f"{world.topics.replies}/{partition}/0".encode()),
        ("original_ce_subject", saga_id.encode()),
    )
    world.broker.publish([OutgoingRecord(world.topics.quarantine, partition, None, headers, None)])


def test_what_is_settled_is_hidden_and_says_by_whom_and_when(world: World) -> None:
    for number in range(3):
        strange(world, "undecodable", f"s{number}")
    first, second, _ = kept(world)
    world.now_ms += 500
    quarantine(world).redrive(first, SOMEBODY)
    quarantine(world).discard(second, "bob@desk")
    quarantine(world).discard(first, "late@desk")
    assert [each.quarantined.saga_id for each in kept(world)] == ["s2"]
    done = [each.settlement for each in kept(world, Choice(settled=True))]
    assert [each and (each.manner, each.by, each.at_ms) for each in done] == [
        ("redriven", SOMEBODY, world.now_ms),
        ("discarded", "bob@desk", world.now_ms),
        None,
    ]
    assert len(world.cluster.committed(world.topics.replies)) == 1


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice(), ["a", "b", "c", "d"]),
        (Choice(reason="undecodable"), ["a", "b"]),
        (Choice(saga_id="c"), ["c"]),
        (Choice(topic="test.replies"), ["a", "b", "c", "d"]),
        (Choice(topic="test.requests"), []),
        (Choice(since_ms=1_000_200), ["c", "d"]),
        (Choice(since_ms=1_000_200, reason="undecodable"), []),
        (Choice(places=frozenset([(1, 0), (0, 1)])), ["b", "c"]),
        (Choice(places=frozenset([(1, 0)]), reason="undecodable"), []),
        (Choice(places=frozenset([(7, 0)])), []),
    ],
)
def test_records_are_chosen_by_place_reason_saga_topic_and_time(choice: Choice, chosen: list[str]) -> None:
    world = World(2)
    for saga_id, reason, partition in (
        ("a", "undecodable", 0),
        ("b", "undecodable", 0),
        ("c", "unknown_saga", 1),
        ("d", "unknown_saga", 1),
    ):
        strange(world, reason, saga_id, partition)
        world.now_ms += 100
    assert [each.quarantined.saga_id for each in kept(world, choice)] == chosen


def test_a_place_where_nothing_is_is_told(world: World) -> None:
    strange(world, "undecodable", "a")
    quarantine(world).discard(kept(world)[0], SOMEBODY)
    view = quarantine(world)
    view.check([(0, 0)])
    with pytest.raises(NotQuarantined, match=r"test.quarantine at 0/1, 9/0, got none: `saga quarantine list`"):
        view.check([(9, 0), (0, 0), (0, 1)])  # 0/1 is the settlement


def test_what_comes_later_is_no_part_of_it(world: World) -> None:
    """Nobody sends what nobody was shown."""
    strange(world, "undecodable", "a")
    view = quarantine(world)
    strange(world, "undecodable", "b")
    assert [each.quarantined.saga_id for each in view.chosen(Choice())] == ["a"]


def test_killed_between_sending_and_saying_so_it_stays_listed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    strange(world, "undecodable", "a")
    view, publish = quarantine(world), world.broker.publish
    (found,) = view.chosen(Choice())

    def only_inputs(records: list[OutgoingRecord]) -> None:
        if records[0].topic == world.topics.quarantine:
            raise Unavailable("killed")
        publish(records)

    monkeypatch.setattr(world.broker, "publish", only_inputs)
    with pytest.raises(Unavailable):
        view.redrive(found, SOMEBODY)
    assert len(world.cluster.committed(world.topics.replies)) == 1
    assert len(kept(world)) == 1


def test_a_namespace_that_is_not_there_is_told(world: World) -> None:
    with pytest.raises(TopicMismatch, match=r"topic other.quarantine: expected it to exist"):
        Quarantine(world.broker, Topics("other"))
