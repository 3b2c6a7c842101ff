"""What does not fit through Kafka: it enters no batch, it blocks nobody, and somebody is told."""

import pytest

from orchestrator import Command, Record, Saga, saga
from orchestrator.errors import ShardRefused, TopicMismatch
from orchestrator.wire import reply, request
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody
from orchestrator.wire.headers import ATTEMPT, COMMANDID, OUTCOME, SUBJECT
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import Headers, OutgoingRecord
from tests.unit.shard.world import Process, World, reasons


class Note(Record):
    """One text."""

    text: str


class Twice(Record):
    """It again."""

    text: str
    again: str


class Fetch(Command[Note], to="bank"):
    """Answered with a text."""

    size: int


class Keep(Command[None], to="bank"):
    """Any command."""

    size: int


@saga
def doubling(s: Saga, note: Note) -> Twice:
    """Returns more than it was given."""
    s.pivot("keep", Keep(size=1))
    return Twice(text=note.text, again=note.text)


def test_a_saga_whose_outcome_is_larger_than_its_topic_allows_waits_with_an_incident() -> None:
    world = World(blueprint=doubling.compile())
    body = AvroBody(world.blueprint.input, codec_for(world.schema("doubling.Note")).encode({"text": "x" * 700_000}))
    world.ask(request.StartSaga(request_id="r", saga_id="s1", saga="doubling", input=body))
    process, world.silent = Process(world), True
    world.run(process)
    (command,) = world.commands()
    world.broker.publish([reply.reply_record(command, reply.completed(), world.now_ms)])
    world.run(process)
    assert process.trouble is None
    assert world.ended() == {}
    assert [(each.reason, each.closed_ms) for each in world.store.contents(0).incidents] == [("defect", None)]
    world.audit()


@saga
def fetching(s: Saga, note: Note) -> Note:
    """Starts with two events and ends with two, each with the whole text."""
    s.label(text=note.text)
    return s.pivot("fetch", Fetch(size=1))


FETCHING = fetching.compile()


def noting(length: int) -> tuple[World, AvroBody]:
    """A world of ``fetching`` whose journal takes a record of a million bytes, and a note of this length."""
    world = World(blueprint=FETCHING)
    world.silent = True
    world.cluster.topics[world.topics.journal].settings = {"max.message.bytes": "1000000"}
    note = next(
        each for each in FETCHING.schemas.values() if isinstance(each, dict) and each["name"] == "fetching.Note"
    )
    return world, AvroBody(FETCHING.input, codec_for(note).encode({"text": "x" * length}))


ALONE, TOGETHER = 1_000_000, 600_000
"""Too large for the journal: each of two events, or only both in one entry."""


@pytest.mark.parametrize("length", [ALONE, TOGETHER])
def test_a_start_whose_events_are_larger_than_the_journal_allows_is_refused(length: int) -> None:
    world, note = noting(length)
    world.ask(request.StartSaga(request_id="r", saga_id="s1", saga="fetching", input=note))
    good = request.StartSaga(request_id="good", saga_id="s2", saga="fetching", input=noting(1)[1])
    world.ask(good)
    process = Process(world)
    world.run(process)
    assert process.trouble is None
    assert world.answers() == {"r": "refused", "good": "accepted"}
    assert reasons(world) == ["too_large"]
    assert [command.saga_id for command in world.commands()] == ["s2"]
    world.audit()


@pytest.mark.parametrize("length", [ALONE, TOGETHER])
def test_a_reply_whose_events_are_larger_than_the_journal_allows_is_an_incident(length: int) -> None:
    world, small = noting(1)
    world.ask(request.StartSaga(request_id="r", saga_id="s1", saga="fetching", input=small))
    process = Process(world)
    world.run(process)
    (command,) = world.commands()
    codec = codec_for(world.schema("bank.Note"))
    world.broker.publish([reply.reply_record(command, reply.completed(codec, {"text": "x" * length}), world.now_ms)])
    world.run(process)
    assert process.trouble is None
    assert world.ended() == {}
    assert reasons(world) == ["too_large"]
    assert [(each.reason, each.closed_ms) for each in world.store.contents(0).incidents] == [("unreadable", None)]
    world.audit()


@pytest.mark.parametrize("answered", [True, False], ids=["a reply", "a timer"])
def test_a_journal_that_takes_no_event_any_more_refuses_the_shard_until_it_does(answered: bool) -> None:  # noqa: FBT001 - a parameter of the test
    world, small = noting(1)
    world.ask(request.StartSaga(request_id="r", saga_id="s1", saga="fetching", input=small))
    world.run(Process(world))
    (command,) = world.commands()
    journal = world.cluster.topics[world.topics.journal]
    before, journal.settings = journal.settings, {"max.message.bytes": "100000"}
    codec = codec_for(world.schema("bank.Note"))
    if answered:
        world.broker.publish([reply.reply_record(command, reply.completed(codec, {"text": "x"}), world.now_ms)])
    process = Process(world)
    world.run(process, rounds=20, ms=60_000)
    assert type(process.trouble) is TopicMismatch
    assert f"for {world.topics.journal}, got 100000" in str(process.trouble)
    assert world.store.contents(0).incidents == ()
    journal.settings = before
    world.run(process, rounds=20, ms=1_000)
    assert process.trouble is None
    assert world.ended() == ({"s1": "completed"} if answered else {})
    world.audit()


def test_an_answer_quotes_only_the_beginning_of_what_was_asked() -> None:
    world = World()
    asked, good = world.start("s1", saga="\x01" * 900_000), world.start("s2")
    world.run(Process(world))
    assert world.answers() == {asked: "unknown_definition", good: "accepted"}


ANSWERING: Headers = (
    (SUBJECT, b"s1"),
    (COMMANDID, b"s1/withdraw/0/do"),
    (ATTEMPT, b"1"),
    (OUTCOME, b"progress"),
)


@pytest.mark.parametrize("headers", [(), ANSWERING])
def test_a_record_that_is_larger_than_any_topic_allows_goes_to_quarantine(headers: Headers) -> None:
    """The broker measures what is compressed: ten copies of a megabyte pass as one."""
    world = World(shards=2)
    wrong = 1 - partition_of("s1", 2)
    record = OutgoingRecord(world.topics.replies, wrong, b"k" * 10, headers, b"x" * 10_000_000)
    with world.cluster.changed:
        world.cluster.append(record, None)
    process = Process(world, shards=(0, 1))
    world.start("s1")
    world.run(process)
    assert world.ended() == {"s1": "completed"}
    assert reasons(world) == ["too_large" if headers else "missing_header"]


def test_a_command_whose_topic_is_missing_is_undeliverable() -> None:
    world = World()
    world.cluster.delete_topic("bank.commands")
    world.silent = True
    world.start("s1")
    world.run(Process(world))
    assert world.ended() == {"s1": "compensated"}
    assert reasons(world) == ["undeliverable"]


@pytest.mark.parametrize("allowed", [(), ("DESCRIBE", "DESCRIBE_CONFIGS"), ("DESCRIBE", "WRITE")])
def test_a_command_whose_topic_may_not_be_written_is_undeliverable(allowed: tuple[str, ...]) -> None:
    """One participant's rights: the others' sagas go on, and its own as soon as the right is granted."""
    world = World()
    topic = world.cluster.topics["bank.commands"]
    topic.operations = frozenset(allowed)
    process = Process(world)
    world.start("s1")
    world.run(process)
    assert process.trouble is None
    assert world.ended() == {"s1": "compensated"}
    (record,) = world.cluster.committed(world.topics.quarantine)
    found = {name: value.decode() for name, value in record.headers if name.startswith("quarantine_")}
    assert found["quarantine_reason"] == "undeliverable"
    for words in ("WRITE and DESCRIBE_CONFIGS on topic bank.commands", "grant what `saga acls FILE` prints"):
        assert words in found["quarantine_text"]
    topic.operations = frozenset({"DESCRIBE", "DESCRIBE_CONFIGS", "WRITE"})
    world.start("s2")
    world.run(process)
    assert world.ended() == {"s1": "compensated", "s2": "completed"}
    world.audit()


@pytest.mark.parametrize("allowed", [(), ("DESCRIBE", "DESCRIBE_CONFIGS")])
def test_a_right_that_is_taken_away_stops_the_shard_with_the_batch_until_it_is_back(
    allowed: tuple[str, ...],
) -> None:
    world = World()
    process = Process(world)
    world.start("s1")
    world.run(process)
    world.cluster.topics["bank.commands"].operations = frozenset(allowed)
    world.start("s2")
    world.run(process, rounds=20, ms=1_000)
    assert type(process.trouble) is ShardRefused
    for words in ("shard 0", "bank.commands", "appended and waits to be published"):
        assert words in str(process.trouble)
    world.cluster.topics["bank.commands"].operations = None
    world.run(process, rounds=20, ms=1_000)
    assert world.ended() == {"s1": "completed", "s2": "completed"}
    world.audit()


def test_a_command_larger_than_its_topic_allows_is_undeliverable() -> None:
    world = World()
    world.start("s1", "b" * 700_000)  # withdraw fits, deposit names the target
    world.cluster.topics["bank.commands"].settings = {"max.message.bytes": "500000"}
    world.run(Process(world))
    assert world.ended() == {"s1": "compensated"}
    assert [command.role for command in world.commands()] == ["do", "undo"]
    assert reasons(world) == ["undeliverable"]
    world.audit()


def test_a_command_whose_topic_does_not_take_a_batch_of_small_ones_is_undeliverable() -> None:
    """Kafka bounds batches, not records: two thousand commands of 500 bytes are refused by a topic of 10,000."""
    world = World()
    world.start("s1")
    world.cluster.topics["bank.commands"].settings = {"max.message.bytes": "10000"}
    world.run(Process(world))
    assert world.ended() == {"s1": "compensated"}
    assert world.commands() == []
    assert reasons(world) == ["undeliverable"]
