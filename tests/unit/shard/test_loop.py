"""The loop of one shard: what comes in, what goes out, and what is done with what cannot be used."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.blueprint import canonical
from orchestrator.broker.memory import MemoryBroker
from orchestrator.shard.batch import Draft, Head
from orchestrator.shard.decider import Decider
from orchestrator.shard.loop import GATHER_MS, GATHERED, IDLE_MS
from orchestrator.shard.sagas import state_of
from orchestrator.wire import definitions, reply, request
from orchestrator.wire.headers import COMMANDID, DATASCHEMA, OUTCOME, SUBJECT, TYPE
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from tests.unit.shard.world import Process, World, reasons, saga_on


def changed(record: OutgoingRecord, **headers: bytes | None) -> OutgoingRecord:
    """The record with other headers (``_`` for ``-``), or without those that are None."""
    names = {name.replace("__", "-"): value for name, value in headers.items()}
    kept = [(name, value) for name, value in record.headers if name not in names]
    added = [(name, value) for name, value in names.items() if value is not None]
    return replace(record, headers=(*kept, *added))


def test_a_transfer_completes_and_everybody_is_told() -> None:
    world = World()
    asked = world.start("s1")
    world.run(Process(world))
    assert world.ended() == {"s1": "completed"}
    assert world.answers() == {asked: "accepted"}
    assert [command.command_id for command in world.commands()] == ["s1/withdraw/0/do", "s1/deposit/0/do"]
    world.audit()


def test_a_rejected_pivot_undoes_what_was_done() -> None:
    world = World()
    world.start("s1", "closed")
    world.run(Process(world))
    assert world.ended() == {"s1": "compensated"}
    assert [command.role for command in world.commands()] == ["do", "do", "undo"]
    assert world.commands()[-1].undoes == "s1/withdraw/0/do"
    world.audit()


def test_many_sagas_over_several_shards() -> None:
    world = World(shards=3)
    process = Process(world, shards=(0, 1, 2))
    for number in range(60):
        world.start(f"s{number}", "closed" if number % 10 == 0 else "b")
    world.run(process, rounds=20)
    assert sorted(world.ended()) == sorted(f"s{number}" for number in range(60))
    assert list(world.ended().values()).count("compensated") == 6
    world.audit()


def starts(world: World, count: int, name: str) -> None:
    for number in range(count):
        world.start(f"{name}{number}")


def accepted(world: World) -> int:
    return len(world.answers())


@pytest.mark.parametrize(("first", "waits"), [(1, False), (2, True), (GATHERED - 1, True), (GATHERED, False)])
def test_inputs_gather_behind_a_batch_of_several_and_not_behind_one_or_many(first: int, waits: bool) -> None:  # noqa: FBT001 - a table's column
    world = World()
    process = Process(world)
    process.take_over()
    starts(world, first, "first-")
    assert process.shard.step(world.now_ms) == world.now_ms + (GATHER_MS if waits else IDLE_MS)
    process.relay()
    assert accepted(world) == first
    starts(world, 3, "next-")
    wake_ms = process.shard.step(world.now_ms)
    process.relay()
    assert accepted(world) == first + (0 if waits else 3)
    if waits:
        assert process.shard.inputs is None
        assert wake_ms == world.now_ms + GATHER_MS
        world.now_ms = wake_ms
        process.step()
        assert accepted(world) == first + 3


def test_a_clock_that_is_set_back_keeps_no_input_waiting() -> None:
    world = World()
    process = Process(world)
    process.take_over()
    starts(world, 2, "first-")
    process.step()
    starts(world, 3, "next-")
    world.now_ms -= 3_600_000
    process.step()
    assert accepted(world) == 5


def test_a_repeated_start_is_the_same_saga_and_another_input_is_a_conflict() -> None:
    world = World()
    process = Process(world)
    first = world.start("s1")
    world.run(process)
    again, other = world.start("s1"), world.start("s1", amount="6")
    world.run(process)
    assert world.answers() == {first: "accepted", again: "already", other: "conflict"}
    assert len(world.commands()) == 2
    world.audit()


def test_an_unknown_saga_is_answered_and_one_deployed_before_the_start_is_found() -> None:
    world = World()
    process = Process(world)
    world.run(process, rounds=8)
    unknown = world.start("s1", saga="other")
    world.run(process)
    assert world.answers() == {unknown: "unknown_definition"}
    later = replace(world.blueprint, name="later")
    world.deploy(replace(later, hash=canonical.hash_of(later)))  # the running process has not heard of it
    late = world.start("s2", saga="later")
    world.run(process)
    assert world.answers() == {unknown: "unknown_definition", late: "accepted"}


def test_a_definition_that_is_none_is_ignored() -> None:
    world = World()
    world.deploy(replace(world.blueprint, name="doctored"))  # its hash is another's
    asked, good = world.start("s1", saga="doctored"), world.start("s2")
    world.run(Process(world))
    assert world.answers() == {asked: "unknown_definition", good: "accepted"}


def test_what_anybody_wrote_into_the_topic_of_definitions_stops_nobody() -> None:
    world = World()
    text, wrong = canonical.dumps(world.blueprint), "a" * 64
    doctored = [
        OutgoingRecord(world.topics.definitions, 0, f"money_transfer/{wrong}".encode(), (), b"[" * 100_000),
        definitions.publish_record(world.topics, definitions.Published("other", wrong, text)),
        definitions.activate_record(world.topics, definitions.Activated("other", wrong)),
    ]
    world.broker.publish(doctored)
    asked, good = world.start("s1", saga="other"), world.start("s2")
    world.run(Process(world))
    assert world.answers() == {asked: "unknown_definition", good: "accepted"}
    assert world.ended() == {"s2": "completed"}


def test_an_id_that_callers_may_not_use_is_refused() -> None:
    world = World()
    asked = world.start("a/b")
    world.run(Process(world))
    assert world.answers() == {asked: "refused"}


def test_a_start_by_hand_in_json_is_validated() -> None:
    world = World()
    record = request.request_record(
        world.topics, 1, request.CancelSaga(request_id="by-hand", saga_id="s1"), world.now_ms
    )
    good = b'{"saga": "money_transfer", "input": {"source": "a", "target": "b", "amount": "5.00"}}'
    bad = b'{"saga": "money_transfer", "input": {"source": "a", "target": "b"}}'
    json = changed(record, ce_type=b"saga.StartSaga", content__type=b"application/json", ce_dataschema=None)
    world.broker.publish([replace(json, value=good), replace(changed(json, ce_id=b"wrong"), value=bad)])
    world.run(Process(world))
    assert world.answers() == {"by-hand": "accepted", "wrong": "refused"}
    assert world.ended() == {"s1": "completed"}


def test_a_cancel_and_a_retry_of_nobody_are_refused() -> None:
    world = World()
    world.ask(request.CancelSaga(request_id="c", saga_id="nobody"))
    world.ask(request.RetrySaga(request_id="r", saga_id="nobody"))
    world.run(Process(world))
    assert world.answers() == {"c": "refused", "r": "refused"}


def test_a_record_on_the_wrong_partition_is_forwarded_once() -> None:
    world = World(shards=2)
    process = Process(world, shards=(0, 1))
    there = saga_on(1, 2)
    asked = request.StartSaga(request_id="r", saga_id=there, saga="money_transfer", input=world.input())
    record = request.request_record(world.topics, 2, asked, world.now_ms)
    world.broker.publish([replace(record, partition=0)])
    world.run(process)
    assert world.ended() == {there: "completed"}
    forwarded = next(each for each in world.cluster.committed(world.topics.requests) if each.partition == 1)
    again = OutgoingRecord(forwarded.topic, 0, forwarded.key, forwarded.headers, forwarded.value)
    world.broker.publish([again])
    world.run(process)
    assert reasons(world) == ["wrong_partition"]
    world.audit()


def answer_of(world: World, process: Process, saga_id: str = "s1") -> OutgoingRecord:
    """The bank's answer to the first command of a saga, not published yet."""
    world.silent = True
    world.start(saga_id)
    world.run(process)
    first: IncomingRecord = world.cluster.committed("bank.commands")[0]
    return world.answer(first)


@pytest.mark.parametrize(
    ("reason", "headers", "value"),
    [
        ("missing_header", {SUBJECT: None}, None),
        ("malformed_header", {OUTCOME: b"perhaps"}, None),
        ("unknown_saga", {SUBJECT: b"nobody", COMMANDID: b"nobody/withdraw/0/do"}, None),
        ("unknown_command", {COMMANDID: b"s1/other/0/do"}, None),
        ("unknown_command", {COMMANDID: b"s1/deposit/0/undo"}, None),
        ("unknown_schema", {DATASCHEMA: b"0" * 64}, None),
        ("wrong_type", {OUTCOME: b"rejected", TYPE: b"bank.Closed"}, None),
        ("undecodable", {}, b"\x00garbage"),
        ("undecodable", {"content__type": b"application/json", DATASCHEMA: None}, b'{"balance": "a lot"}'),
    ],
)
def test_an_answer_that_cannot_be_used_goes_to_quarantine_and_stops_nothing(
    reason: str, headers: dict[str, bytes | None], value: bytes | None
) -> None:
    world = World()
    process = Process(world)
    right = answer_of(world, process)
    wrong = changed(right, **headers)
    world.broker.publish([wrong if value is None else replace(wrong, value=value)])
    world.run(process)
    assert reasons(world) == [reason]
    known = reason in ("unknown_schema", "wrong_type", "undecodable")
    incidents = world.store.contents(0).incidents
    assert [each.reason for each in incidents] == (["unreadable"] if known else [])
    world.broker.publish([right])  # the participant is mended, and answers again
    world.silent = False
    world.run(process)
    assert world.ended() == {"s1": "completed"}
    world.audit()


def test_an_answer_in_json_is_as_good() -> None:
    world = World()
    process = Process(world)
    right = answer_of(world, process)
    json = changed(right, content__type=b"application/json", ce_dataschema=None)
    world.broker.publish([replace(json, value=b'{"balance": "100.50"}')])
    world.silent = False
    world.run(process)
    assert world.ended() == {"s1": "completed"}


def test_a_duplicated_answer_counts_once() -> None:
    world = World()
    process = Process(world)
    right = answer_of(world, process)
    world.broker.publish([right, right])
    world.silent = False
    world.run(process)
    world.broker.publish([right])
    world.run(process)
    assert world.ended() == {"s1": "completed"}
    assert len(world.commands()) == 2
    world.audit()


def test_a_batch_that_the_database_refuses_is_decided_one_input_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    process = Process(world)
    decide = Decider.decide

    def with_a_defect(self: Decider, records: Sequence[IncomingRecord], due: Sequence[str], head: Head) -> Draft:
        draft = decide(self, records, due, head)
        draft.events = [replace(each, number=1) if each.saga_id == "s2" else each for each in draft.events]
        return draft

    monkeypatch.setattr(Decider, "decide", with_a_defect)
    good, bad, also_good = world.start("s1"), world.start("s2"), world.start("s3")
    world.run(process, rounds=30)
    assert world.ended() == {"s1": "completed", "s3": "completed"}
    assert world.answers() == {good: "accepted", bad: "refused", also_good: "accepted"}
    assert reasons(world) == ["refused_by_database"]


def test_time_outs_retry_and_a_late_answer_counts() -> None:
    world = World()
    process = Process(world)
    process.take_over()
    world.silent = True
    world.start("s1")
    world.run(process, rounds=14, ms=1_000)  # the attempt's 10 s, and the pause of 1 s
    assert [command.attempt for command in world.commands()] == [1, 2]
    first = world.cluster.committed("bank.commands")[0]
    world.broker.publish([world.answer(first)])
    world.run(process)
    assert world.steps() == ["withdraw", "withdraw", "deposit"]
    world.audit()


def test_an_attempt_that_progresses_is_awaited_for_longer_and_what_it_says_is_kept() -> None:
    world = World()
    process = Process(world)
    process.take_over()
    world.silent = True
    world.start("s1")
    world.run(process, rounds=8, ms=1_000)
    (command,) = world.commands()
    world.broker.publish([reply.reply_record(command, reply.progress("half of it"), world.now_ms)])
    world.run(process, rounds=8, ms=1_000)  # past the 10 s of the attempt
    assert [each.attempt for each in world.commands()] == [1]
    assert any(b"half of it" in (record.value or b"") for record in world.cluster.committed(world.topics.journal))
    world.run(process, rounds=6, ms=1_000)
    assert [each.attempt for each in world.commands()] == [1, 2]
    world.audit()


def test_a_time_out_that_was_not_needed_is_asked_for_once() -> None:
    world = World()
    process = Process(world)
    world.start("s1")
    world.run(process)
    world.now_ms += 60_000  # behind the time-out of what was answered long ago
    world.run(process, rounds=3)
    assert process.shard.step(world.now_ms) == world.now_ms + IDLE_MS


def test_answers_that_wait_in_kafka_come_before_time_outs() -> None:
    world = World()
    process = Process(world)
    right = answer_of(world, process)
    world.now_ms += 60_000  # an outage of the orchestrator: long past every time-out
    world.broker.publish([right])
    process.step()
    process.step()
    assert world.steps() == ["withdraw", "deposit"]
    world.audit()


def test_an_answer_behind_an_open_transaction_holds_the_timer_back() -> None:
    world = World()
    process = Process(world)
    right = answer_of(world, process)
    foreign = MemoryBroker(world.cluster, world.topics, transaction_timeout_ms=60_000).producer(7)
    foreign.init()
    foreign.begin()
    foreign.produce([right])  # written in time, not committed yet
    world.now_ms += 9_900
    world.run(process, rounds=4)
    assert [command.attempt for command in world.commands()] == [1]
    foreign.commit()
    world.run(process, rounds=4)
    assert world.steps() == ["withdraw", "deposit"]


def test_a_full_relay_stops_the_reading() -> None:
    world = World()
    process = Process(world)
    process.take_over()
    process.relay()
    process.stepping_relays = False
    for number in range(100):
        world.start(f"s{number}")
        process.step()
    relay = process.shard.relay
    assert relay is not None
    assert relay.backlog == process.bounds.relay_backlog_max
    process.stepping_relays = True
    world.run(process, rounds=30)
    assert len(world.ended()) == 100
    world.audit()


def test_published_batches_leave_the_outbox_but_for_the_footer_s() -> None:
    world = World()
    process = Process(world)
    for number in range(5):
        world.start(f"s{number}")
        world.run(process)
    contents = world.store.contents(0)
    assert [row.seq for row in contents.outbox] == [contents.row.seq]


def test_what_the_table_holds_is_the_fold_of_the_events() -> None:
    world = World()
    world.start("s1", "closed")
    world.run(Process(world))
    stored = world.store.stored(0)["s1"]
    now = state_of(stored)
    assert now.version == stored.row.version == len(world.store.contents(0).events)
    assert now.status == stored.row.status == "compensated"
    assert partition_of("s1", 1) == 0
