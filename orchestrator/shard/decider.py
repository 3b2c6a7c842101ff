"""One batch: every record that arrived and every timer that is due, decided in order, with all that follows.

What cannot be read goes to quarantine, what belongs to another shard is forwarded, and every request is answered,
all in the same batch. Nothing that is made here can be refused by Kafka later: size and topic of a record are checked
before it enters the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.engine import events as saga_events
from orchestrator.engine.decide import decide, defect
from orchestrator.engine.decision import Command, Decision, RequestAnswer
from orchestrator.engine.inputs import CommandUndeliverable, Input, ReplyUnreadable, TimersDue
from orchestrator.engine.program import Program
from orchestrator.errors import MessageRejected, TopicMismatch
from orchestrator.shard.batch import Draft, Head
from orchestrator.shard.intake import Intake, Opened
from orchestrator.shard.limits import Limits
from orchestrator.shard.records import Records
from orchestrator.shard.sagas import Sagas
from orchestrator.store.port import EventRow
from orchestrator.wire.forwarding import forwarded_record, was_forwarded
from orchestrator.wire.headers import place_of
from orchestrator.wire.journal import Cause, JournalEntry, SagasTrimmed, entry_record, trimmed_record
from orchestrator.wire.partition import partition_of
from orchestrator.wire.quarantine import UNDELIVERABLE, quarantine_record, unsent_record
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.reply import ReceivedReply
from orchestrator.wire.request import StartSaga as StartRequest
from orchestrator.wire.topics import Topics

TRIMMED_IN_A_RECORD: Final = 100
"""Ids: at most 80 kB, of 200 characters each, so the journal takes it as long as it takes anything."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a decider works with, made anew for each ownership."""

    topics: Topics
    shard: int
    shards: int
    intake: Intake
    sagas: Sagas
    limits: Limits
    records: Records


@dataclass(slots=True)
class _Making:
    """The batch being made."""

    head: Head
    records: list[OutgoingRecord] = field(default_factory=list[OutgoingRecord])
    events: list[EventRow] = field(default_factory=list[EventRow])
    retries: int = 0
    opened: int = 0
    quarantined: list[str] = field(default_factory=list[str])

    @property
    def now_ms(self) -> int:
        """The shard's time, the same for the whole batch."""
        return self.head.now_ms


class Decider:
    """See the module. Its states count only once ``appended`` was called."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def decide(self, records: Sequence[IncomingRecord], due: Sequence[str], head: Head) -> Draft:
        """Decide everything in order, records first; ``due`` are sagas whose timers fire."""
        desk, making = self._desk, _Making(head)
        desk.intake.begin_batch()
        desk.limits.begin_batch()
        opened = [(record, found) for record in records if (found := self._open(making, record)) is not None]
        desk.sagas.load([*(found.saga_id for _, found in opened), *due])
        for record, found in opened:
            try:
                self._take(making, record, found)
            except MessageRejected as error:
                self._put_aside(making, record, found, error)
        for saga_id in due:
            state = desk.sagas.get(saga_id)
            program = None if state is None else desk.intake.program(state.blueprint)
            self._follow_surely(making, program, TimersDue(saga_id=saga_id, now_ms=making.now_ms))
        sagas, incidents = desk.sagas.rows()
        return Draft(making.records, making.events, sagas, incidents, making.retries, making.opened, making.quarantined)

    def refuse(self, record: IncomingRecord, text: str, head: Head) -> Draft:
        """Put aside an input whose batch the database refuses even alone; a request is told so."""
        making = _Making(head)
        error = MessageRejected("refused_by_database", text)
        found = self._open(making, record)
        if found is not None:
            self._quarantine(making, record, error)
            self._answer_refused(making, found, error)
        return Draft(making.records, quarantined=making.quarantined)

    def trim(self, saga_ids: Sequence[str], head: Head) -> Draft | None:
        """Let the rows of these closed sagas go, in a batch that says so in the journal, and does nothing else.

        None: the journal does not take it at present.
        """
        desk = self._desk
        desk.limits.begin_batch()
        parts = [saga_ids[at : at + TRIMMED_IN_A_RECORD] for at in range(0, len(saga_ids), TRIMMED_IN_A_RECORD)]
        records = [trimmed_record(desk.topics, desk.shard, SagasTrimmed(head.seq, tuple(part))) for part in parts]
        if any(desk.limits.problem(record) is not None for record in records):
            return None
        desk.sagas.trim(saga_ids)
        return Draft(records, trimmed=saga_ids)

    def appended(self) -> int | None:
        """The last draft is in the database; returns the earliest due time among its sagas."""
        return self._desk.sagas.keep()

    def undecide(self) -> None:
        """The last draft is not in the database."""
        self._desk.sagas.forget()

    # ------------------------------------------------------------ one record

    def _open(self, making: _Making, record: IncomingRecord) -> Opened | None:
        """The record's headers; None when it is dealt with: unreadable, or another shard's."""
        desk = self._desk
        try:
            found = desk.intake.open(record)
            right = partition_of(found.saga_id, desk.shards)
            if right == desk.shard:
                return found
            if was_forwarded(record):
                raise MessageRejected(
                    "wrong_partition",
                    f"expected saga {found.saga_id} on partition {right}, got {place_of(record)}, forwarded already",
                )
            forwarded = forwarded_record(record, right)
            problem = desk.limits.problem(forwarded)
            if problem is not None:
                raise MessageRejected("too_large", f"a record to be forwarded to partition {right}: {problem}")
        except MessageRejected as error:
            self._quarantine(making, record, error)
            return None
        making.records.append(forwarded)
        return None

    def _take(self, making: _Making, record: IncomingRecord, found: Opened) -> None:
        desk = self._desk
        state = desk.sagas.get(found.saga_id)
        cause: Cause = record.topic, record.partition, record.offset
        program: Program | None
        match found:
            case StartRequest():
                start = desk.intake.start(found, state, making.now_ms)
                if isinstance(start, RequestAnswer):
                    making.records.append(desk.records.answer(start, making.now_ms))
                else:
                    given, program = start
                    self._follow(making, cause, program, given)
            case ReceivedReply():
                if state is None:
                    raise MessageRejected(
                        "unknown_saga",
                        f"expected a saga with the id {found.saga_id!r}, there is none: {place_of(record)}",
                    )
                program = desk.intake.program(state.blueprint)
                reply = desk.intake.reply(record, found, program, making.now_ms)
                if isinstance(reply, ReplyUnreadable):
                    self._quarantine(making, record, MessageRejected(reply.reason, reply.text))
                self._follow(making, cause, program, reply)
            case _:
                program = None if state is None else desk.intake.program(state.blueprint)
                self._follow(making, cause, program, desk.intake.operation(found, making.now_ms))

    def _put_aside(self, making: _Making, record: IncomingRecord, found: Opened, error: MessageRejected) -> None:
        """A record that is understood but cannot be used: to quarantine, and whoever asked is told."""
        self._quarantine(making, record, error)
        self._answer_refused(making, found, error)
        if error.reason == "too_large" and isinstance(found, ReceivedReply):
            state = self._desk.sagas.get(found.saga_id)
            assert state is not None
            unreadable = ReplyUnreadable(
                saga_id=found.saga_id,
                command_id=found.command_id,
                reason=error.reason,
                text=str(error),
                now_ms=making.now_ms,
            )
            self._follow_surely(making, self._desk.intake.program(state.blueprint), unreadable)

    def _answer_refused(self, making: _Making, found: Opened, error: MessageRejected) -> None:
        if not isinstance(found, ReceivedReply):
            answer = RequestAnswer(
                request_id=found.request_id, saga_id=found.saga_id, result="refused", text=str(error)
            )
            making.records.append(self._desk.records.answer(answer, making.now_ms))

    # ------------------------------------------------------------ what follows

    def _follow(self, making: _Making, cause: Cause | None, program: Program | None, given: Input) -> None:
        """Decide, and take over everything the decision says. Raises ``MessageRejected`` before anything is taken."""
        desk = self._desk
        state = desk.sagas.get(given.saga_id)
        decision = decide(program, state, given)
        ending = self._ending(making, program, decision)
        if isinstance(ending, str):  # the saga must not end untold: it waits with an incident
            decision, ending = defect(program, state, given, ending), None
        self._take_over_all(making, cause, program, decision)
        if ending is not None:
            making.records.append(ending)

    def _follow_surely(self, making: _Making, program: Program | None, given: Input) -> None:
        """As ``_follow``; what is refused becomes an incident, for there is nobody who could be told.

        Raises ``TopicMismatch`` when the journal takes not even that: nothing of this batch is taken.
        """
        try:
            self._follow(making, None, program, given)
        except MessageRejected as error:
            state = self._desk.sagas.get(given.saga_id)
            try:
                self._take_over_all(making, None, program, defect(program, state, given, str(error)))
            except MessageRejected as again:
                raise TopicMismatch(f"shard {self._desk.shard}: {again}") from again

    def _take_over_all(self, making: _Making, cause: Cause | None, program: Program | None, decision: Decision) -> None:
        """Events first: they are what may be refused."""
        if decision.events:
            assert program is not None
            self._record_events(making, cause, decision)
            for command in decision.commands:
                self._send(making, cause, program, command)
        if decision.answer is not None:
            making.records.append(self._desk.records.answer(decision.answer, making.now_ms))

    def _ending(self, making: _Making, program: Program | None, decision: Decision) -> OutgoingRecord | str | None:
        """The record of the saga's end, or why there can be none; None when it does not end."""
        if decision.outcome is None:
            return None
        assert program is not None
        assert decision.state is not None
        return self._desk.records.outcome(decision.outcome, program, decision.state.started_ms, making.now_ms)

    def _record_events(self, making: _Making, cause: Cause | None, decision: Decision) -> None:
        state, desk = decision.state, self._desk
        assert state is not None
        saga_id, events = state.saga_id, tuple(map(saga_events.encode, decision.events))
        first = state.version - len(events) + 1
        record = entry_record(desk.topics, desk.shard, JournalEntry(making.head.seq, saga_id, first, events, cause))
        problem = desk.limits.problem(record)
        if problem is not None:
            kinds = ", ".join(kind for kind, _ in events)
            raise MessageRejected("too_large", f"the events {kinds} of saga {saga_id}: {problem}")
        making.records.append(record)
        topic, partition, offset = cause or (None, None, None)
        making.events += [
            EventRow(saga_id, number, kind, data, topic, partition, offset)
            for number, (kind, data) in enumerate(events, first)
        ]
        if state.incidents:
            making.opened += sum(isinstance(event, saga_events.IncidentOpened) for event in decision.events)
        desk.sagas.put(state, sum([len(data) for _, data in events]))

    def _send(self, making: _Making, cause: Cause | None, program: Program, command: Command) -> None:
        desk = self._desk
        made = desk.records.command(command, program, (making.head.seq, len(making.records)), making.now_ms)
        if isinstance(made, OutgoingRecord):
            making.records.append(made)
            making.retries += command.attempt > 1
            return
        making.records.append(unsent_record(desk.topics, desk.shard, command, made))
        making.quarantined.append(UNDELIVERABLE)
        undeliverable = CommandUndeliverable(
            saga_id=command.saga_id, command_id=command.command_id, reason=made, now_ms=making.now_ms
        )
        self._follow(making, cause, program, undeliverable)

    def _quarantine(self, making: _Making, record: IncomingRecord, error: MessageRejected) -> None:
        making.records.append(quarantine_record(self._desk.topics, self._desk.shard, record, error.reason, str(error)))
        making.quarantined.append(error.reason)
