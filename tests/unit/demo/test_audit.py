from collections.abc import Callable
from dataclasses import replace

import pytest

from demo.audit import Audit, audit
from demo.journal import read_journal
from orchestrator.engine.events import Event, RequestDeclined
from orchestrator.wire.journal import entry_record, is_entry, is_footer
from orchestrator.wire.outcome import RequestAnswered, outcome_record
from orchestrator.wire.record import IncomingRecord
from tests.unit.demo.world import (
    COMMANDS,
    DONE,
    NOW_MS,
    REFUNDED,
    SHARD,
    TOPICS,
    Sent,
    World,
    history,
    sent,
    started,
)
from tests.unit.wire.samples import entry_of


def audited(records: list[IncomingRecord], transfers: tuple[str, ...] = (DONE, REFUNDED)) -> Audit:
    return audit(records, TOPICS, COMMANDS, transfers)


def place(records: list[IncomingRecord], wanted: Callable[[IncomingRecord], bool], number: int = 0) -> int:
    return [index for index, record in enumerate(records) if wanted(record)][number]


def command(record: IncomingRecord) -> bool:
    return record.topic == COMMANDS


def reply(record: IncomingRecord) -> bool:
    return record.topic == TOPICS.replies


def outcome(record: IncomingRecord) -> bool:
    return record.topic == TOPICS.outcomes


def end(record: IncomingRecord) -> bool:
    return outcome(record) and dict(record.headers)["ce_type"] == b"saga.SagaEnded"


def entry(record: IncomingRecord) -> bool:
    return record.topic == TOPICS.journal and is_entry(record)


def footer(record: IncomingRecord) -> bool:
    return record.topic == TOPICS.journal and is_footer(record)


def repeated(record: IncomingRecord) -> IncomingRecord:
    """The same record once more, behind everything else of its partition."""
    return replace(record, offset=1_000)


def with_header(record: IncomingRecord, name: str, value: bytes) -> IncomingRecord:
    headers = tuple((key, value if key == name else old) for key, old in record.headers)
    return replace(record, headers=headers)


def test_a_true_history_passes() -> None:
    found = audited(history())

    assert found.passed, found.findings.all
    assert found.outcomes == {DONE: "completed", REFUNDED: "compensated"}
    assert (found.commands, found.commands_doubled, found.replies, found.replies_lost) == (5, 0, 5, 0)
    assert (found.journal.events, found.journal.transactions, found.journal.incidents) == (14, 5, 0)


@pytest.mark.parametrize("number", range(5))
def test_a_command_that_came_twice_is_doubled(number: int) -> None:
    records = history()
    records.append(repeated(records[place(records, command, number)]))

    found = audited(records)

    assert found.commands_doubled > 0
    assert any("command transfer-" in text for text in found.findings.doubled)


def test_a_command_repeated_in_another_batch_is_doubled() -> None:
    records = history()
    first = records[place(records, command)]
    records.append(with_header(repeated(first), "ce_sequence", b"0:9:0"))

    assert audited(records).findings.doubled == ["command transfer-1/withdraw/0/do, attempt 1"]


def test_two_commands_in_one_place_are_doubled() -> None:
    records = history()
    first, second = place(records, command), place(records, command, 1)
    records[second] = with_header(records[second], "ce_sequence", dict(records[first].headers)["ce_sequence"])

    assert "the place 0:2:1 among commands" in audited(records).findings.doubled


@pytest.mark.parametrize("number", range(5))
def test_a_command_that_never_came_is_lost(number: int) -> None:
    records = history()
    del records[place(records, command, number)]

    lost = audited(records).findings.lost

    assert len(lost) == 1
    assert lost[0].startswith("command transfer-")


def test_a_command_of_which_the_journal_knows_nothing_is_doubled() -> None:
    records = history()
    at = place(records, command)
    records.append(with_header(repeated(records[at]), "ce_id", b"transfer-1/steal/0/do"))
    records[-1] = with_header(records[-1], "ce_sequence", b"0:9:0")

    assert any("of which the journal knows nothing" in text for text in audited(records).findings.doubled)


def test_a_gap_in_the_places_of_a_batch_is_a_loss() -> None:
    records = history()
    at = place(records, command, 1)
    records[at] = with_header(records[at], "ce_sequence", b"0:2:7")

    assert audited(records).findings.lost == [
        "what stood before command transfer-2/withdraw/0/do: expected at 0:2:4, seen at 0:2:7"
    ]


def test_commands_of_one_saga_in_the_wrong_order_are_found() -> None:
    records = history()
    first, third = place(records, command, 0), place(records, command, 2)
    records[first], records[third] = (
        replace(records[third], offset=records[first].offset),
        replace(records[first], offset=records[third].offset),
    )

    found = audited(records).findings

    assert "the commands of saga transfer-1" in found.disordered
    assert not found.lost
    assert not found.doubled


@pytest.mark.parametrize("number", range(7))
def test_an_entry_that_is_missing_is_lost(number: int) -> None:
    records = history()
    del records[place(records, entry, number)]

    assert audited(records).findings.lost


@pytest.mark.parametrize("number", range(7))
def test_an_entry_that_came_twice_is_doubled(number: int) -> None:
    records = history()
    at = place(records, entry, number)
    records.insert(at, records[at])

    assert any(text.startswith("event ") for text in audited(records).findings.doubled)


def test_a_batch_that_came_twice_is_doubled() -> None:
    records = history()
    at = place(records, footer, 1)
    records.insert(at + 1, records[at])

    assert "batch 2 of shard 0" in audited(records).findings.doubled


def test_a_batch_that_is_missing_is_lost() -> None:
    records = history()
    del records[place(records, footer, 0)]

    assert audited(records).findings.lost == ["batch 1 of shard 0, before batch 2 of shard 0"]


def test_entries_without_a_footer_are_a_loss() -> None:
    records = history()
    del records[place(records, footer, 4)]

    assert any("the footer of batch 5" in text for text in audited(records).findings.lost)


@pytest.mark.parametrize("number", range(5))
def test_a_reply_that_caused_nothing_is_lost(number: int) -> None:
    records = history()
    causes = {entry_of(record.value).cause for record in records if entry(record)}
    at = place(records, reply, number)
    # As if it had come behind all others, and nobody had read it there.
    unread = replace(records[at], offset=5)
    assert (unread.topic, unread.partition, unread.offset) not in causes
    del records[at]
    records.append(with_header(unread, "ce_commandid", b"transfer-1/other/0/do"))

    found = audited(records)

    assert found.replies_lost == 1
    assert "transfer-1/other/0/do" in found.findings.lost[0]


def test_a_reply_that_repeats_one_that_counted_is_fine() -> None:
    records = history()
    records.append(replace(records[place(records, reply, 4)], offset=5))

    assert audited(records).passed


def test_a_reply_deleted_before_it_was_seen_is_fine_when_it_counted() -> None:
    records = history()
    del records[place(records, reply, 1)]

    assert audited(records).passed


def test_a_hole_among_replies_that_the_journal_does_not_name_is_a_loss() -> None:
    records = history()
    records.append(replace(records[place(records, reply, 4)], offset=7))

    found = audited(records)

    assert found.findings.lost == ["the reply at 0/5", "the reply at 0/6"]
    assert found.replies_lost == 2


def test_a_reply_that_counted_twice_is_doubled() -> None:
    found = audited(history(count_twice=True))

    assert found.findings.all == ["the reply to transfer-2/deposit/0/do, which counted 2 times"]
    assert found.findings.doubled == found.findings.all


def test_a_step_that_was_done_twice_is_doubled() -> None:
    records = history()
    at = place(records, entry, 2)  # the first of the third batch: the withdrawal is done
    again = replace(entry_of(records[at].value), number=7)
    records.append(replace(records[at], offset=1_000, value=entry_record(TOPICS, SHARD, again).value))

    assert "StepCompleted of step withdraw of saga transfer-1" in audited(records).findings.doubled


def test_a_transfer_without_outcome_is_lost() -> None:
    records = history()
    del records[place(records, end)]

    assert audited(records).findings.lost == ["the outcome of transfer transfer-1"]


def test_a_transfer_that_nobody_heard_of_is_lost() -> None:
    assert audited(history(), (DONE, REFUNDED, "transfer-3")).findings.lost == [
        "the answer to the start of transfer transfer-3",
        "the outcome of transfer transfer-3",
    ]


def test_a_transfer_with_two_outcomes_is_doubled() -> None:
    records = history()
    records.append(repeated(records[place(records, end)]))

    assert audited(records).findings.doubled == ["the outcome of transfer transfer-1"]


def test_a_transfer_that_was_accepted_twice_is_doubled() -> None:
    records = history()
    at = place(records, outcome)
    records.insert(at, records[at])

    assert audited(records).findings.doubled == ["the start of transfer transfer-1"]


def test_a_transfer_that_ended_before_it_was_accepted_is_out_of_order() -> None:
    records = history()
    at = place(records, outcome)
    accepted = records.pop(at)
    records.append(repeated(accepted))

    assert audited(records).findings.disordered == ["saga transfer-1 was accepted after it had ended"]


def test_an_outcome_that_the_journal_contradicts_is_a_loss() -> None:
    records = [record for record in history() if not entry(record) or "SagaCompleted" not in str(record.value)]

    assert any("in the journal: expected completed, got None" in text for text in audited(records).findings.lost)


def test_a_transfer_that_nobody_asked_for_is_doubled() -> None:
    assert audited(history(), (DONE,)).findings.doubled == ["transfer transfer-2, which nobody asked for"]


def test_what_is_in_quarantine_is_lost() -> None:
    records = [*history(), IncomingRecord(TOPICS.quarantine, SHARD, 3, 0, None)]

    assert audited(records).findings.lost == ["what is in quarantine at 0/3, of nobody"]


def test_an_answer_that_no_event_may_tell_of_wants_topics_of_the_runs_own() -> None:
    records = history()
    stranger = RequestAnswered(request_id="r-9", saga_id="transfer-9", result="already", text="")
    at = outcome_record(TOPICS, SHARD, stranger, NOW_MS)
    records.append(IncomingRecord(at.topic, at.partition, 1_000, NOW_MS, at.key, at.headers, at.value))

    found = audited(records).findings.all

    assert len(found) == 1
    assert found[0].startswith("the answer 'already' for saga transfer-9: expected topics of this run alone")


def test_answers_to_operators_take_places_too() -> None:
    world = World()
    world.begin()
    asked = [IncomingRecord(TOPICS.requests, SHARD, offset, NOW_MS, None) for offset in range(2)]
    declined = RequestDeclined(request_id="r-1", result="refused", text="no", at_ms=NOW_MS)
    refused = RequestAnswered(request_id="r-1", saga_id=DONE, result="refused", text="no")
    accepted = RequestAnswered(request_id="r-2", saga_id=REFUNDED, result="accepted", text="")
    world.follow(DONE, asked[0], [declined], None, refused)
    begun: list[Event] = [started(REFUNDED), sent(REFUNDED, "withdraw")]
    command = world.follow(REFUNDED, asked[1], begun, Sent(REFUNDED, "withdraw"), accepted)
    world.end()

    assert command is not None
    told = read_journal(world.records, TOPICS.journal).sent[REFUNDED]
    assert [each.sequence.encode() for each in told] == [dict(command.headers)["ce_sequence"]] == [b"0:1:3"]
